"""Sends what this process logs to the clients that have subscribed, as ComfyUI's terminal panel expects it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.requests import HTTPConnection

from adapters.doors.http.comfy.hub import Client, hub_of
from adapters.doors.http.comfy.messages import Message
from adapters.doors.http.comfy.outbox import SendQueue
from adapters.doors.http.services import Services
from adapters.host.recent_logs import RECENT, Line


class LogFeed:
    """One for the application. It listens to the log only while somebody has subscribed."""

    def __init__(self, outbox_of: Callable[[Client], SendQueue | None]) -> None:
        self._outbox_of = outbox_of
        self._subscribed: set[Client] = set()
        self._fresh: list[Line] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    def subscribe(self, client: Client) -> None:
        """Send ``client`` what is logged from now on, until its socket is closed."""
        if not self._subscribed:
            self._loop = asyncio.get_running_loop()
            RECENT.listeners.add(self._heard)
        self._subscribed.add(client)

    def unsubscribe(self, client: Client) -> None:
        """Nothing more for ``client``."""
        self._subscribed.discard(client)
        if not self._subscribed:
            RECENT.listeners.discard(self._heard)

    def _heard(self, line: Line) -> None:
        """Called by whichever thread logs."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._take, line)

    def _take(self, line: Line) -> None:
        self._fresh.append(line)
        if len(self._fresh) == 1:
            asyncio.get_running_loop().call_soon(self._send)

    def _send(self) -> None:
        """All lines of the moment in one message. ``size`` is told by ``/internal/logs/raw``, and does not change."""
        entries, self._fresh = self._fresh, []
        for client in tuple(self._subscribed):
            outbox = self._outbox_of(client)
            if outbox is None:
                self.unsubscribe(client)
            else:
                outbox.put(Message("logs", {"entries": entries, "size": None}))


def log_feed_of(connection: HTTPConnection, services: Services) -> LogFeed:
    """The application's feed, made when it is first asked for."""
    state = connection.app.state
    if not hasattr(state, "comfy_log_feed"):
        state.comfy_log_feed = LogFeed(hub_of(connection, services).outbox_of)
    found: LogFeed = state.comfy_log_feed
    return found
