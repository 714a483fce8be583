"""Files go into the bucket that RunPod's workers are told of, by its SDK; here, a server that keeps them in memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest

pytest.importorskip("runpod")

from adapters.doors.runpod.bucket import put_into_bucket


class Bucket(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    kept: dict[str, tuple[bytes, str]]
    refuses: bool

    def log_message(self, *_: object) -> None:
        pass

    def do_PUT(self) -> None:
        data = self.rfile.read(int(self.headers["content-length"]))
        if not self.refuses:
            self.kept[urlsplit(self.path).path] = (data, self.headers["content-type"])
        self.send_response(403 if self.refuses else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Bucket]]:
    class Fresh(Bucket):
        kept = {}  # noqa: RUF012
        refuses = False

    server = ThreadingHTTPServer(("127.0.0.1", 0), Fresh)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    monkeypatch.setenv("BUCKET_ENDPOINT_URL", f"http://127.0.0.1:{server.server_address[1]}")
    monkeypatch.setenv("BUCKET_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("BUCKET_SECRET_ACCESS_KEY", "secret")
    yield Fresh
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_file_is_put_there_and_its_signed_address_comes_back(bucket: type[Bucket]) -> None:
    url = put_into_bucket("job-1", "picture.webp", b"contents")
    assert url is not None
    (path, (data, media_type)), *others = bucket.kept.items()
    assert (data, media_type, others) == (b"contents", "image/webp", [])
    assert urlsplit(url).path == path and "/job-1/" in path and path.endswith(".webp")
    assert "Signature=" in url


def test_a_bucket_that_refuses_is_no_reason_to_lose_the_picture(bucket: type[Bucket]) -> None:
    bucket.refuses = True
    assert put_into_bucket("job-1", "picture.png", b"contents") is None


def test_a_bucket_without_its_keys_is_none(bucket: type[Bucket], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BUCKET_ACCESS_KEY_ID")
    assert put_into_bucket("job-1", "picture.png", b"contents") is None
    assert not bucket.kept
