"""Input files that are meant to harm: refused or bounded with one clear error, and the next job is taken."""

from __future__ import annotations

import base64
import gzip
import io
import json
import struct
import threading
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from PIL import ImageFile

from tests.adapters.doors.http.serving import PICTURE, Web, serving

GZIPPED = gzip.compress(bytes(10 * 2**20))
READS: dict[str, Any] = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}},
    "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
}


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    folder = tmp_path_factory.mktemp("abuse")
    with serving(folder, max_file_mib=1, max_megapixels=4, max_body_mib=8) as running:
        (folder / "data" / "secret.png").write_bytes(b"not for strangers")
        (folder / "input" / "link.png").symlink_to(folder / "data" / "secret.png")
        yield running


@pytest.fixture
def client(web: Web) -> Iterator[httpx.Client]:
    with web.client() as opened:
        yield opened
        job = opened.post("/v1/jobs", json={"workflow": PICTURE})
        assert job.status_code == 202
        opened.delete(f"/v1/jobs/{job.json()['id']}")


def _png(width: int, height: int, data: bytes = b"") -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def _refused(client: httpx.Client, source: bytes | str, *statuses: int) -> dict[str, Any]:
    text = source if isinstance(source, str) else base64.b64encode(source).decode()
    reply = client.post("/v1/jobs", json={"workflow": READS, "files": {"a.png": text}})
    assert reply.status_code in (statuses or (413, 422)), reply.text
    document: dict[str, Any] = reply.json()
    assert "a.png" in document["detail"] and len(reply.text) < 2000
    return document


def test_a_picture_of_too_many_pixels_is_refused_by_its_header(client: httpx.Client) -> None:
    for width, height in ((2_001, 2_000), (10_000, 10_000), (2**31 - 1, 2**31 - 1)):
        assert "more than 4 megapixels" in _refused(client, _png(width, height), 413)["detail"]
    taken = base64.b64encode(_png(2_000, 2_000)).decode()  # as many as there may be, whatever is in it
    assert client.post("/v1/jobs", json={"workflow": READS, "files": {"a.png": taken}}).status_code == 202


def test_bombs_are_not_unpacked(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither by what opens pictures nor by what decompresses: the one is refused by its kind, the others by sizes."""
    unpacked: list[str] = []
    for owner, name in ((ImageFile.ImageFile, "load"), (gzip, "decompress"), (gzip.GzipFile, "read")):
        monkeypatch.setattr(owner, name, lambda *_, name=name, **__: unpacked.append(name) or b"")
    packed = zlib.compress(bytes(10 * 2**20))
    assert "megapixels" in _refused(client, _png(65_000, 65_000, packed), 413)["detail"]
    _refused(client, _png(2_000, 2_000, packed) + bytes(2**20), 413)
    _refused(client, GZIPPED, 422)
    assert unpacked == []


@pytest.mark.parametrize(
    "text",
    [
        "no base64 at all!",
        "aGk",
        "aGk===",
        "=",
        "data:image/png;base64,%%%",
        "data:image/png,plain",
        "\u00e4\u00f6",
        " ",
    ],
)
def test_base64_that_is_none_is_refused(client: httpx.Client, text: str) -> None:
    _refused(client, text)


@pytest.mark.parametrize(
    "data",
    [
        b"x",
        b"\x89PNG\r\n\x1a\n",
        _png(4, 4)[:40],
        b"\x80\x04K\x01.",
        b"PK\x03\x04" + b"x" * 100,
        b"<svg/>",
        b"#!/bin/sh",
    ],
)
def test_files_that_no_node_reads_are_refused(client: httpx.Client, data: bytes) -> None:
    _refused(client, data)


def test_a_file_that_is_too_large_is_refused(client: httpx.Client) -> None:
    _refused(client, _png(4, 4) + bytes(2**20), 413)
    parts = {"workflow": (None, json.dumps(READS)), "a.png": ("a.png", io.BytesIO(bytes(2**20 + 1)), "image/png")}
    assert client.post("/v1/jobs", files=parts).status_code == 413


@pytest.mark.parametrize(
    "name",
    ["../a.png", "/etc/passwd", "a/../../b.png", "..\\b.png", "a\0.png", "", ".", "x" * 300, "a.png [output]", "\n"],
)
def test_names_stay_inside_the_input_folder(client: httpx.Client, web: Web, name: str) -> None:
    source = base64.b64encode(_png(4, 4)).decode()
    before = sorted(path.name for path in web.folder.iterdir())
    reply = client.post("/v1/jobs", json={"workflow": READS, "files": {name: source}})
    assert reply.status_code == 422, reply.text
    assert sorted(path.name for path in web.folder.iterdir()) == before


@pytest.mark.parametrize(
    "name", ["../data/secret.png", "/etc/hostname", "..\\data\\secret.png", "../data/secret.png [input]"]
)
def test_workflows_read_no_files_elsewhere(client: httpx.Client, name: str) -> None:
    workflow = {**READS, "1": {"class_type": "LoadImage", "inputs": {"image": name}}}
    reply = client.post("/v1/jobs", json={"workflow": workflow})
    assert reply.status_code == 422
    assert reply.json()["problems"][0]["input"] == "image"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/a.png",
        "http://localhost/a.png",
        "http://2130706433/a.png",
        "http://0177.0.0.1/a.png",
        "http://127.1/a.png",
        "http://[::1]/a.png",
        "http://[::ffff:127.0.0.1]/a.png",
        "http://169.254.169.254/latest/meta-data",
        "http://[fd00:ec2::254]/",
        "http://10.1.2.3/a.png",
        "http://192.168.0.1/a.png",
        "http://100.64.0.1/a.png",
        "https://user:secret@127.0.0.1/",
        "ftp://127.0.0.1/a.png",
        "file:///etc/passwd",
    ],
)
def test_addresses_inside_are_not_contacted(client: httpx.Client, url: str) -> None:
    document = _refused(client, url, 422)
    assert "secret" not in document["detail"]


class _Hostile(BaseHTTPRequestHandler):
    """A public host's answers, on loopback: a redirect inside, an endless body, a packed bomb."""

    def do_GET(self) -> None:
        if self.path == "/redirect":
            self.send_response(302)
            self.send_header("Location", "http://169.254.169.254/latest/meta-data")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Type", "image/png")
        if self.path == "/bomb":
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        body = gzip.compress(bytes(64 * 2**20)) if self.path == "/bomb" else b""
        try:
            self.wfile.write(body)
            while self.path == "/endless":
                self.wfile.write(b"\x89PNG" + bytes(2**16))
        except ConnectionError:
            pass

    def log_message(self, *_: Any) -> None:
        pass


@pytest.mark.parametrize("path", ["/redirect", "/endless", "/bomb", "/empty"])
def test_hosts_that_answer_badly_are_bounded(tmp_path_factory: pytest.TempPathFactory, path: str) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hostile)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        folder = tmp_path_factory.mktemp("hostile")
        with serving(folder, max_file_mib=1, allowed_hosts=["127.0.0.1"]) as web, web.client() as client:
            _refused(client, f"http://127.0.0.1:{server.server_address[1]}{path}")
            assert not any((folder / "data" / "blobs").glob("??/*"))
            assert client.post("/v1/jobs", json={"workflow": PICTURE}).status_code == 202
    finally:
        server.shutdown()
        server.server_close()


def test_too_many_files_are_refused(client: httpx.Client) -> None:
    source = base64.b64encode(_png(4, 4)).decode()
    reply = client.post("/v1/jobs", json={"workflow": PICTURE, "files": {f"{n}.png": source for n in range(500)}})
    assert reply.status_code == 413
