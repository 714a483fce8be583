"""Headers that every reply has, and the log line for every request."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adapters.doors.http.problems import problem_response

_log = logging.getLogger("adapters.doors.http.access")
_JOB_PATH = re.compile(r"/v1/jobs/([^/]+)")
_QUIET = frozenset({"/health", "/ready", "/ping", "/metrics"})  # what probes ask for every few seconds

# Called with the route's path, the method, the status and the seconds of each request.
Observer = Callable[[str, str, int, float], None]


class Replies:
    """The outermost ASGI middleware: it answers errors that no other code has answered."""

    def __init__(self, app: ASGIApp, observe: Observer) -> None:
        self._app = app
        self._observe = observe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        started_at = time.monotonic()
        status = 0

        async def finish(message: Message) -> None:
            nonlocal status
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers.setdefault("X-Content-Type-Options", "nosniff")
                headers.update(scope.get("state", {}).get("reply_headers", {}))
            elif message["type"] == "websocket.accept":
                status = 101
            await send(message)

        try:
            await self._app(scope, receive, finish)
        except ClientDisconnect:
            pass  # There is nobody to answer.
        except Exception as error:
            if status:
                raise  # Half of the reply is out; the server closes the connection.
            await problem_response(error)(scope, receive, finish)
        finally:
            self._note(scope, status, time.monotonic() - started_at)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = route_path(scope)
        method = scope.get("method", "WS")
        self._observe(route or "other", method, status, seconds)
        path = scope.get("raw_path", b"").decode("ascii", "replace")  # as it was sent: without line breaks
        job = _JOB_PATH.match(path)
        level = logging.DEBUG if path in _QUIET else logging.INFO
        extra = {"job_id": job[1]} if job else {}
        _log.log(level, "%s %s %d %.0f ms", method, path, status, seconds * 1000, extra=extra)


def route_path(scope: Scope) -> str:
    """The path of the route that took the request, with its parameters' names; empty where none did."""
    # FastAPI's own note of it: ``scope["route"]`` lacks the prefixes of included routers.
    route = scope.get("fastapi", {}).get("effective_route_context") or scope.get("route")
    return str(getattr(route, "path", None) or "")
