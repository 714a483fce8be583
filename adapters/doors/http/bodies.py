"""Request bodies: how large, how slow and how deeply nested they may be."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
from anyio.to_thread import run_sync
from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adapters.doors.http.problems import problem_response
from adapters.host.settings import MIB, Settings
from adapters.service.errors import BodyTooLarge, BodyTooSlow, RequestInvalid, ServiceBusy
from engine.errors import DagfusionError
from engine.strict_json import parse_json

_MAX_JSON_VALUES = 3_000_000
_SMALL_BYTES = 2**16
_SLOWEST_BYTES_S = 1024
_FIRST_ERROR = 400
_LONGEST_PAUSE_S = 2.0  # of a sender whose body is not wanted any more
_DISCARDED_AT_MOST = 8  # times the largest size
_BODIES_AT_A_TIME = 4  # of the largest size, in all requests together


class BodyLimits:
    """ASGI middleware: refuses bodies before they are read whole, and all of them while too many are on their way."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._max_bytes = settings.max_body_mib * MIB
        self._timeout_s = settings.read_timeout_s
        self._held_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        body = _Body(self, receive, headers)
        answered = failed = False

        async def note(message: Message) -> None:
            nonlocal answered, failed
            answered = True
            if message["type"] == "http.response.start":
                failed = message["status"] >= _FIRST_ERROR
            elif failed and body.is_coming and not message.get("more_body", False):
                await send({**message, "more_body": True})
                await self._discard(body)
                message = {"type": "http.response.body", "body": b""}
            await send(message)

        try:
            announced = headers.get("content-length", "0")
            if announced.isdigit() and int(announced) > self._max_bytes:
                await problem_response(self._too_large())(scope, receive, note)
            else:
                await self._app(scope, body.receive, note)
        except _Refused as refused:
            if not answered:
                await problem_response(refused.error)(scope, receive, note)
        finally:
            self._held_bytes -= body.held_bytes

    async def _discard(self, body: _Body) -> None:
        """Read, and keep nothing of, what is left of a body whose sender was answered with an error.

        A connection that is closed with something unread is reset, and senders that are still sending do not see the
        answer. Who sends far more than may be, or pauses, is left to it.
        """
        self._held_bytes -= body.held_bytes
        body.held_bytes = 0
        left_bytes = _DISCARDED_AT_MOST * self._max_bytes
        with anyio.move_on_after(self._timeout_s):
            while left_bytes > 0 and body.is_coming:
                with anyio.move_on_after(_LONGEST_PAUSE_S) as pause:
                    left_bytes -= await body.discard()
                if pause.cancelled_caught:
                    return

    def take(self, body: _Body, size_bytes: int) -> None:
        """Count a piece of a body. Raises where it is one too many."""
        body.read_bytes += size_bytes
        body.held_bytes += size_bytes
        self._held_bytes += size_bytes
        if body.read_bytes > self._max_bytes:
            raise _Refused(self._too_large())
        if self._held_bytes > _BODIES_AT_A_TIME * self._max_bytes:
            raise _Refused(ServiceBusy("too many large requests are being read", remedy="try again in a few seconds"))

    async def next_message(self, receive: Receive, body: _Body) -> Message:
        """What comes next. Raises where it does not come in time."""
        with anyio.move_on_after(self._timeout_s):
            message = await receive()
            elapsed_s = time.monotonic() - body.started_at
            if elapsed_s <= self._timeout_s or body.read_bytes >= _SLOWEST_BYTES_S * elapsed_s:
                return message
        body.give_up()
        remedy = f"send at least {_SLOWEST_BYTES_S} bytes a second"
        raise _Refused(BodyTooSlow(f"the rest of the request did not come within {self._timeout_s:g} s", remedy=remedy))

    def _too_large(self) -> BodyTooLarge:
        limit = self._max_bytes // MIB
        return BodyTooLarge(f"the request has more than {limit} MiB", remedy="give large files as URLs")


class _Refused(BaseException):
    """Not an ``Exception``, so that code which reads a body does not handle it as an error of its own."""

    def __init__(self, error: DagfusionError) -> None:
        super().__init__(str(error))
        self.error = error


class _Body:
    """One request's body. After its end, reads wait for the client to disconnect, without a time limit."""

    def __init__(self, limits: BodyLimits, receive: Receive, headers: Headers) -> None:
        self.read_bytes = self.held_bytes = 0
        self.started_at = time.monotonic()
        self._limits, self._receive = limits, receive
        self._ended = False
        self._announced = "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
        self._invited = headers.get("expect", "").lower() != "100-continue"  # else at the first look at the body

    @property
    def is_coming(self) -> bool:
        """Whether its sender is sending more of it."""
        return self._announced and self._invited and not self._ended

    def give_up(self) -> None:
        """Do not wait for the rest."""
        self._ended = True

    async def discard(self) -> int:
        """Wait for the next piece and drop it: its bytes."""
        message = await self._receive()
        self._ended = message["type"] != "http.request" or not message.get("more_body", False)
        return len(message.get("body", b""))

    async def receive(self) -> Message:
        if self._ended:
            return await self._receive()
        self._invited = True
        message = await self._limits.next_message(self._receive, self)
        if message["type"] == "http.request":
            self._ended = not message.get("more_body", False)
            self._limits.take(self, len(message.get("body", b"")))
        else:
            self._ended = True
        return message


class StrictRequest(Request):
    """A request whose JSON is read with limits on depth and number of values, off the event loop where it is large."""

    async def json(self) -> Any:
        """Raises ``RequestInvalid``, ``WorkflowUnreadable``."""
        body = await self.body()
        return read_json(body) if len(body) <= _SMALL_BYTES else await run_sync(read_json, body)


class StrictRoute(APIRoute):
    """A route that gives its function JSON from a :class:`StrictRequest`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def strictly(request: Request) -> Response:
            return await handle(StrictRequest(request.scope, request.receive))

        return strictly


def read_json(body: bytes) -> Any:
    """The JSON value of a request's body (whose size is checked already).

    Raises ``WorkflowUnreadable`` and ``RequestInvalid``: many small values take far more memory than their text.
    """
    values = body.count(b",") + body.count(b"[") + body.count(b"{")
    if values > _MAX_JSON_VALUES:
        raise RequestInvalid(f"the JSON has more than {_MAX_JSON_VALUES:,} values", remedy="send less at a time")
    return parse_json(body, "the request's body", max_bytes=max(len(body), 1))
