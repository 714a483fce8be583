"""Blobs in S3, as its protocol has it on the wire: against a small server that keeps objects in memory."""

from __future__ import annotations

import datetime as dt
import email.utils
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from urllib.request import urlopen

import pytest

from adapters.service.blobs.errors import BlobMissing, BlobStoreUnavailable
from adapters.service.blobs.store import BlobStore

pytest.importorskip("s3fs")


class _S3(BaseHTTPRequestHandler):
    """Puts, gets, lists and deletes objects; signatures are not looked at."""

    protocol_version = "HTTP/1.1"
    objects: dict[str, tuple[bytes, float]]
    broken = False
    now = 0.0

    def log_message(self, *_: object) -> None:
        pass

    def do_PUT(self) -> None:
        data = self.rfile.read(int(self.headers["content-length"]))
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


@pytest.fixture
def s3() -> Iterator[tuple[BlobStore, type[_S3]]]:
    handler = type("S3", (_S3,), {"objects": {}, "now": dt.datetime.now(dt.UTC).timestamp()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield _store(server.server_port), handler
    server.shutdown()
    server.server_close()
    thread.join()


def _store(port: int) -> BlobStore:
    client = {"endpoint_url": f"http://127.0.0.1:{port}", "region_name": "us-east-1"}
    config = {"retries": {"max_attempts": 0}, "connect_timeout": 60}
    return BlobStore("s3://bucket/blobs", key="id", secret="key", client_kwargs=client, config_kwargs=config)


def test_blobs_live_in_s3(s3: tuple[BlobStore, type[_S3]]) -> None:
    blobs, server = s3
    blob = blobs.put_bytes(b"hello")
    assert list(server.objects) == [f"blobs/{blob.digest[:2]}/{blob.digest}"]
    assert blobs.put_bytes(b"hello") == blob
    assert blobs.size(blob.digest) == 5
    assert blobs.local_path(blob.digest) is None
    assert b"".join(blobs.chunks(blob.digest)) == b"hello"
    with blobs.open(blob.digest) as file:
        file.seek(2)
        assert file.read() == b"llo"
    assert blobs.delete(blob.digest)
    assert not blobs.exists(blob.digest)
    with pytest.raises(BlobMissing):
        blobs.open(blob.digest).read()


def test_s3_signs_links(s3: tuple[BlobStore, type[_S3]]) -> None:
    blobs, _ = s3
    url = blobs.signed_url(blobs.put_bytes(b"hello").digest, 'a "b"\r\nü.png', "image/png", 60)
    assert url is not None
    query = parse_qs(urlsplit(url).query)
    assert query["response-content-type"] == ["image/png"]
    assert query["response-content-disposition"] == ['attachment; filename="a _b____.png"']
    with urlopen(url) as answer:
        assert answer.read() == b"hello"


def test_old_blobs_are_swept_from_s3(s3: tuple[BlobStore, type[_S3]]) -> None:
    blobs, server = s3
    server.now -= 10**6
    old, used = blobs.put_bytes(b"old").digest, blobs.put_bytes(b"used").digest
    server.now += 10**6
    young = blobs.put_bytes(b"young").digest
    assert [blob.digest for blob in blobs.sweep({used})] == [old]
    assert [blobs.exists(digest) for digest in (old, used, young)] == [False, True, True]


def test_s3_that_refuses_or_is_gone_is_one_clear_error(s3: tuple[BlobStore, type[_S3]]) -> None:
    blobs, server = s3
    digest = blobs.put_bytes(b"hello").digest
    server.broken = True
    with pytest.raises(BlobStoreUnavailable):
        blobs.put_bytes(b"other")
    with pytest.raises(BlobStoreUnavailable):
        blobs.exists(digest)
    with pytest.raises(BlobStoreUnavailable):
        _store(1).exists(digest)
