"""A web server on loopback that hands out model files, well or badly."""

from __future__ import annotations

import contextlib
import hashlib
import re
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Trick = Callable[["Request", bytes], None]


class Request(BaseHTTPRequestHandler):
    """One request. A trick that waits for the path answers it, else it is served as a good server would."""

    protocol_version = "HTTP/1.1"
    server: Depot

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        with self.server.guard:
            self.server.seen.append((path, dict(self.headers)))
            waiting = self.server.tricks[path]
            stays = self.server.forever and len(waiting) == 1
            trick = (waiting[0] if stays else waiting.popleft()) if waiting else None
        body = self.server.files.get(path)
        with contextlib.suppress(ConnectionError):
            if trick is not None:
                trick(self, body or b"")
            elif body is None:
                self.head(404, {"Content-Length": "0"})
            else:
                serve(self, body)

    def head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def hang_up(self) -> None:
        self.close_connection = True
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        pass


class Depot(ThreadingHTTPServer):
    """``files`` by path; ``tricks``: what the next requests of a path meet; ``forever``: the last trick stays."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Request)
        self.files: dict[str, bytes] = {}
        self.tricks: dict[str, deque[Trick]] = defaultdict(deque)
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.forever = False
        self.guard = threading.Lock()
        self.closing = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def ranges(self, path: str) -> list[str | None]:
        """The Range header of each request for ``path``."""
        return [headers.get("Range") for seen, headers in self.seen if seen == path]

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # clients that leave in the middle are what these tests are about


@contextlib.contextmanager
def open_depot() -> Iterator[Depot]:
    depot = Depot()
    thread = threading.Thread(target=depot.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield depot
    finally:
        depot.closing.set()
        depot.shutdown()
        depot.server_close()
        thread.join()


def etag(body: bytes) -> str:
    return f'"{hashlib.sha256(body).hexdigest()[:16]}"'


def serve(request: Request, body: bytes) -> None:
    """Byte ranges and If-Range, as RFC 9110 has them."""
    tag = etag(body)
    found = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
    start = int(found[1]) if found and request.headers.get("If-Range", tag) == tag else 0
    if start and start >= len(body):
        request.head(416, {"Content-Range": f"bytes */{len(body)}", "Content-Length": "0"})
        return
    headers = {"ETag": tag, "Content-Length": str(len(body) - start), "Content-Type": "application/octet-stream"}
    if start:
        headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
    request.head(206 if start else 200, headers)
    request.wfile.write(body[start:])


def drop(after: int) -> Trick:
    """Promise everything, send ``after`` bytes (of what was asked for), hang up."""

    def trick(request: Request, body: bytes) -> None:
        found = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
        start = int(found[1]) if found else 0
        headers = {"ETag": etag(body), "Content-Length": str(len(body) - start)}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        request.head(206 if start else 200, headers)
        request.wfile.write(body[start : start + after])
        request.hang_up()

    return trick


def stall(after: int) -> Trick:
    """Send ``after`` bytes, then nothing until the client or the test ends."""

    def trick(request: Request, body: bytes) -> None:
        request.head(200, {"ETag": etag(body), "Content-Length": str(len(body))})
        request.wfile.write(body[:after])
        request.wfile.flush()
        request.server.closing.wait(60)
        request.hang_up()

    return trick


def trickle(every_s: float) -> Trick:
    """Send a few bytes now and then."""

    def trick(request: Request, body: bytes) -> None:
        request.head(200, {"ETag": etag(body), "Content-Length": str(len(body))})
        for start in range(0, len(body), 10):
            request.wfile.write(body[start : start + 10])
            request.wfile.flush()
            if request.server.closing.wait(every_s):
                break
        request.hang_up()

    return trick


def whole(body: bytes, **headers: str) -> Trick:
    """Send ``body`` whatever was asked for."""

    def trick(request: Request, _: bytes) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request.head(200, {"Content-Length": str(len(body)), **named})
        request.wfile.write(body)
        request.hang_up()

    return trick


def displaced(start: int) -> Trick:
    """Send the file from ``start``, and say so, whatever was asked for."""

    def trick(request: Request, body: bytes) -> None:
        span = f"bytes {start}-{len(body) - 1}/{len(body)}"
        request.head(206, {"Content-Range": span, "Content-Length": str(len(body) - start)})
        request.wfile.write(body[start:])
        request.hang_up()

    return trick


def chunked(body: bytes) -> Trick:
    """Send ``body`` without saying how long it is."""

    def trick(request: Request, _: bytes) -> None:
        request.head(200, {"Transfer-Encoding": "chunked"})
        for start in range(0, len(body), 1000):
            piece = body[start : start + 1000]
            request.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        request.wfile.write(b"0\r\n\r\n")

    return trick


def answer(status: int, **headers: str) -> Trick:
    """Answer with a status and no body."""

    def trick(request: Request, _: bytes) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request.head(status, {"Content-Length": "0", **named})

    return trick


def guarded(token: str) -> Trick:
    """Serve those who bring the token, 401 for others."""

    def trick(request: Request, body: bytes) -> None:
        if request.headers.get("Authorization") == f"Bearer {token}":
            serve(request, body)
        else:
            request.head(401, {"Content-Length": "0"})

    return trick
