"""Sockets and streams end when the key that opened them is revoked."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

from anyio import sleep
from anyio.to_thread import run_sync
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adapters.service.store.keys import ApiKeys

_LOOK_EVERY_S = 0.25
_VISIT = "dagfusion.visit"
_POLICY_VIOLATION = 1008


@dataclass(eq=False, slots=True)
class Visit:
    """One connection while it is answered. ``lasts``: for as long as its client wants, so a socket or a stream."""

    task: asyncio.Task[Any]
    lasts: bool
    key_id: str | None = None
    revoked: bool = False


def opened_by(connection: HTTPConnection, key_id: str) -> None:
    """The connection is that of this key."""
    visit: Visit | None = connection.scope.get(_VISIT)
    if visit is not None:
        visit.key_id = key_id


class Visits:
    """All connections that are being answered, of one process."""

    def __init__(self) -> None:
        self._visits: set[Visit] = set()

    def enter(self, visit: Visit) -> None:
        """One more; :meth:`leave` has to follow."""
        self._visits.add(visit)

    def leave(self, visit: Visit) -> None:
        """It is answered."""
        self._visits.discard(visit)

    async def watch(self, keys: ApiKeys) -> None:
        """End those that last and whose key was revoked, until cancelled. Raises what the database does."""
        while True:
            lasting = [visit for visit in self._visits if visit.lasts and visit.key_id and not visit.revoked]
            if lasting:
                revoked = await run_sync(keys.revoked, {visit.key_id or "" for visit in lasting})
                for visit in self._visits.intersection(lasting):
                    if visit.key_id in revoked:
                        visit.revoked = True
                        visit.task.cancel()
            await sleep(_LOOK_EVERY_S)


class EndsWithItsKey:
    """Middleware: a socket is closed with 1008, a stream of events just ends."""

    def __init__(self, app: ASGIApp, visits: Visits) -> None:
        self._app, self._visits = app, visits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the connection, unless its key is revoked meanwhile."""
        task = asyncio.current_task()
        if scope["type"] not in ("http", "websocket") or task is None:
            await self._app(scope, receive, send)
            return
        visit = scope[_VISIT] = Visit(task, lasts=scope["type"] == "websocket")
        reply = _Reply(send, visit)
        self._visits.enter(visit)
        try:
            await self._app(scope, receive, reply)
        except asyncio.CancelledError:
            if not visit.revoked:
                raise
            task.uncancel()
            await reply.end()
        finally:
            self._visits.leave(visit)


class _Reply:
    """Passes on what is sent, and knows what is still to be sent where it breaks off."""

    def __init__(self, send: Send, visit: Visit) -> None:
        self._send, self._visit = send, visit
        self._last: Message | None = None

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            types = [value for name, value in message.get("headers", ()) if name.lower() == b"content-type"]
            self._visit.lasts = any(value.startswith(b"text/event-stream") for value in types)
            self._last = {"type": "http.response.body", "body": b"", "more_body": False}
        elif message["type"] == "http.response.body" and not message.get("more_body"):
            self._last = None
        elif message["type"] == "websocket.accept":
            reason = "the API key was revoked"
            self._last = {"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": reason}
        elif message["type"] == "websocket.close":
            self._last = None
        await self._send(message)

    async def end(self) -> None:
        """Send what ends the reply, if it has begun and has not ended."""
        if self._last is not None:
            await self._send(self._last)
