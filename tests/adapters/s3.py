"""A small server that keeps objects in memory, with S3's protocol as it is on the wire."""

from __future__ import annotations

import datetime as dt
import email.utils
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit


class S3(BaseHTTPRequestHandler):
    """Puts, gets, lists and deletes objects; signatures are not looked at.

    While ``goes_on`` is not set, puts have no answer; ``stalls`` says that one waits for it.
    """

    protocol_version = "HTTP/1.1"
    objects: dict[str, tuple[bytes, float]]
    broken = False
    now = 0.0
    goes_on: threading.Event
    stalls: threading.Event

    def log_message(self, *_: object) -> None:
        pass

    def do_PUT(self) -> None:
        data = self.rfile.read(int(self.headers["content-length"]))
        if not self.goes_on.is_set():
            self.stalls.set()
            self.goes_on.wait()
        self.objects[self.key] = (data, self.now)
        self.answer(200)

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        if "list-type" in query:
            self.answer(200, self.listing(query.get("prefix", [""])[0]).encode())
        elif self.key not in self.objects:
            self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        elif asked := self.headers.get("range"):
            first, last = (int(n) if n else None for n in asked.removeprefix("bytes=").split("-"))
            data = self.objects[self.key][0]
            self.answer(206, data[first : None if last is None else last + 1])
        else:
            self.answer(200, self.objects[self.key][0])

    def do_HEAD(self) -> None:
        if self.key in self.objects:
            self.answer(200, self.objects[self.key][0])
        else:
            self.answer(404)

    def do_DELETE(self) -> None:
        self.objects.pop(self.key, None)
        self.answer(204)

    @property
    def key(self) -> str:
        return unquote(urlsplit(self.path).path).removeprefix("/bucket/")

    def listing(self, prefix: str) -> str:
        contents = "".join(
            f"<Contents><Key>{key}</Key><LastModified>{dt.datetime.fromtimestamp(at, dt.UTC):%Y-%m-%dT%H:%M:%SZ}"
            f"</LastModified><Size>{len(data)}</Size><ETag>x</ETag></Contents>"
            for key, (data, at) in sorted(self.objects.items())
            if key.startswith(prefix)
        )
        return f"<ListBucketResult><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>"

    def answer(self, status: int, body: bytes = b"") -> None:
        if self.broken:
            status, body = 403, b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        at = self.objects.get(self.key, (b"", self.now))[1]
        self.send_header("last-modified", email.utils.formatdate(at, usegmt=True))
        self.send_header("etag", '"x"')
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@contextmanager
def serving_s3() -> Iterator[tuple[int, type[S3]]]:
    """Its port at 127.0.0.1, and what it keeps."""
    goes_on, stalls = threading.Event(), threading.Event()
    goes_on.set()
    kept = {"objects": {}, "now": dt.datetime.now(dt.UTC).timestamp(), "goes_on": goes_on, "stalls": stalls}
    handler = type("OwnS3", (S3,), kept)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port, handler
    finally:
        goes_on.set()
        server.shutdown()
        server.server_close()
        thread.join()
