"""Answers /health and /ping from the first moment on, while the application, slow to import, is being loaded."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from adapters.host.lifeline import PULSE_S, Pulse
from adapters.run.supervisor.exit_codes import WRONG_SETTING
from engine.errors import DagfusionError

if TYPE_CHECKING:
    from fastapi import FastAPI

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
_FIRST_S = 0.05  # for the server to open its socket, while nothing else wants the processor
_ANSWERS = {"/health": (200, b'{"status":"ok"}'), "/ping": (204, b"")}  # as adapters.doors.http.health has them
_log = logging.getLogger(__name__)


class Early:
    """An ASGI application around the one that ``load`` makes in a thread; requests for that one wait for it.

    Ends the process where it cannot be loaded.
    """

    def __init__(self, load: Callable[[], FastAPI]) -> None:
        self._load = load
        self._app: FastAPI | None = None
        self._loaded = asyncio.Event()
        self._stopping = asyncio.Event()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """One connection, or the process's life."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif self._app is None and scope["type"] == "http" and scope["path"] in _ANSWERS:
            status, body = _ANSWERS[scope["path"]]
            headers = [(b"content-type", b"application/json")] if body else []
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body})
        else:
            await self._loaded.wait()
            assert self._app is not None
            await self._app(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        running = asyncio.create_task(self._run())
        beating = asyncio.create_task(_beat())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._stopping.set()
        await running
        beating.cancel()
        await send({"type": "lifespan.shutdown.complete"})

    async def _run(self) -> None:
        try:
            await asyncio.sleep(_FIRST_S)
            app = await asyncio.to_thread(self._load)
            async with app.router.lifespan_context(app):
                self._app = app
                self._loaded.set()
                _log.info("ready to answer")
                await self._stopping.wait()
        except DagfusionError as error:
            _log.error("%s", error)
            _end(WRONG_SETTING)
        except Exception:  # noqa: BLE001 - nobody awaits this task before the end
            _log.exception("the application has failed")
            _end(1)


async def _beat() -> None:
    """Tell the supervisor that the event loop turns."""
    pulse = Pulse()
    while True:
        pulse.beat()
        await asyncio.sleep(PULSE_S)


def _end(code: int) -> None:
    logging.shutdown()
    os._exit(code)
