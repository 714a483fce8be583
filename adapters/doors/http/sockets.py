"""Connections as the web process takes them: so many at a time, with a deadline for headers and for slow readers."""

from __future__ import annotations

import asyncio
import json
import resource
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

if TYPE_CHECKING:
    from adapters.host.settings import Settings

_MAX_HEAD_BYTES = 2**16
_MAX_MESSAGE_BYTES = 2**20
_SPARE_DESCRIPTORS = 128  # for the database, blobs, threads, what libraries open


class SocketLimits:
    """What all connections of one server share. The settings can be told later: reading them takes its time."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.max_sockets = 4096
        self.read_timeout_s = self.send_timeout_s = 30.0
        self._descriptors = _raise_descriptor_limit()
        if settings is not None:
            self.follow(settings)

    def follow(self, settings: Settings) -> None:
        """Keep to the settings, from the next connection on."""
        self.max_sockets = min(settings.max_sockets, self._descriptors - _SPARE_DESCRIPTORS)
        self.read_timeout_s = settings.read_timeout_s
        self.send_timeout_s = settings.send_timeout_s

    def bind(self, protocol: type) -> type:
        """The protocol with these limits; uvicorn makes one for each connection."""
        return type(protocol.__name__, (protocol,), {"limits": self})


def uvicorn_options(limits: SocketLimits) -> dict[str, Any]:
    """What ``uvicorn.Config`` is to be told besides the application: the protocols below.

    Its lines about requests would hold the keys that browsers put into queries; the application writes its own.
    """
    return {
        "http": limits.bind(BoundedHttp),
        "ws": limits.bind(BoundedWebSocket),
        "ws_max_size": _MAX_MESSAGE_BYTES,
        "ws_per_message_deflate": False,  # pictures do not get smaller, and each socket would hold a compressor
        "server_header": False,
        "access_log": False,
        "log_level": "warning",
        "backlog": 2048,
    }


class _SlowReaderTimer:
    """Cuts the connection of a client that takes nothing for too long, however much waits for it here."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._handle: asyncio.TimerHandle | None = None

    def start(self, abort: Callable[[], object]) -> None:
        self._handle = self._handle or asyncio.get_running_loop().call_later(self._timeout_s, abort)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None


class BoundedHttp(HttpToolsProtocol):
    """HTTP/1.1 with a bound on connections, on the size of headers and on the time they take."""

    limits: SocketLimits

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._slow_reader = _SlowReaderTimer(self.limits.send_timeout_s)
        self._head_timer: asyncio.TimerHandle | None = None
        self._head_bytes = self._chunk_bytes = 0
        if len(self.connections) > self.limits.max_sockets:
            transport.write(_refusal())
            transport.close()
        else:
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._slow_reader.stop()
        self._stop_head_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._chunk_bytes = len(data)
        self._head_bytes += len(data)
        super().data_received(data)
        if self._head_timer is not None and self._head_bytes > _MAX_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response(f"The request's headers have more than {_MAX_HEAD_BYTES} bytes.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = self._chunk_bytes  # perhaps too many: where in it the head begins is not known
        self._await_head()

    def on_headers_complete(self) -> None:
        self._stop_head_timer()
        super().on_headers_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._slow_reader.start(self.transport.abort)

    def resume_writing(self) -> None:
        self._slow_reader.stop()
        super().resume_writing()

    def _await_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self.limits.read_timeout_s, self.transport.close)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


class BoundedWebSocket(WebSocketsSansIOProtocol):
    """A WebSocket whose client must keep reading."""

    limits: SocketLimits

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._slow_reader = _SlowReaderTimer(self.limits.send_timeout_s)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._slow_reader.stop()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._slow_reader.start(self.transport.abort)

    def resume_writing(self) -> None:
        self._slow_reader.stop()
        super().resume_writing()

    async def send(self, message: ASGISendEvent) -> None:
        await super().send(message)
        if self.initial_response is not None and self.close_sent:
            self.handshake_complete = True  # An answer other than 101 ends the handshake as well.


def _refusal() -> bytes:
    from adapters.doors.http.problems import MEDIA_TYPE, problem
    from adapters.service.errors import TooManySockets

    details = problem(TooManySockets("too many connections are open", remedy="close some, or try again later"))
    body = json.dumps(details.model_dump(exclude_none=True)).encode()
    lines = (
        "HTTP/1.1 503 Service Unavailable",
        f"Content-Type: {MEDIA_TYPE}",
        f"Content-Length: {len(body)}",
        "Retry-After: 5",
        "Connection: close",
    )
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _raise_descriptor_limit() -> int:
    """Allow this process as many open files as it may have; how many that is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(soft, 2**16) if hard == resource.RLIM_INFINITY else hard
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (ValueError, OSError):
        return soft
    return wanted
