"""Odd things that clients send, which are taken as ComfyUI takes them or refused clearly."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.adapters.doors.http.serving import Web, serving


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with serving(tmp_path_factory.mktemp("faults")) as running:
        yield running


@pytest.mark.parametrize("name", ["x" * 300, "a/" * 3000 + "b", "x" * 300 + "/y"])
def test_a_name_that_no_file_can_have_is_of_no_file(web: Web, name: str) -> None:
    with web.client() as client:
        assert client.get(f"/userdata/{name}").status_code in (404, 422)
        assert client.delete(f"/userdata/{name}").status_code in (404, 422)
        assert client.post(f"/userdata/{name}", content=b"x").status_code == 422
        assert client.post(f"/userdata/{name}/move/b").status_code in (404, 422)
        assert client.get("/userdata", params={"dir": name}).status_code in (404, 422)


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ("split=", ["a.json"]),
        ("split=true", [["a.json", "a.json"]]),
        ("split=TRUE&recurse=&full_info=", [["a.json", "a.json"]]),
        ("split=yes", ["a.json"]),
        ("recurse=banana&full_info=no", ["a.json"]),
    ],
)
def test_flags_are_any_text(web: Web, query: str, answer: list[object]) -> None:
    with web.client() as client:
        assert client.post("/userdata/folder%2Fa.json", content=b"{}").status_code == 200
        assert client.get(f"/userdata?dir=folder&{query}").json() == answer
        assert client.post("/userdata/folder%2Fa.json?overwrite=", content=b"{}").status_code == 200
        assert client.post("/userdata/folder%2Fa.json?overwrite=false", content=b"{}").status_code == 409


MEDIA = {"a.png": "image/png", "a.mp4": "video/mp4", "a.flac": "audio/", "a.webp": "image/webp"}
OTHERS = ["a.html", "a.svg", "a.xml", "a.js", "a.pdf", "a.xhtml", "a.txt", "a.json", "a", "a.mht", "a.rdf", "a.unknown"]


@pytest.mark.parametrize("name", [*MEDIA, *OTHERS])
def test_what_is_not_known_media_is_an_attachment_and_nothing_may_run(web: Web, name: str) -> None:
    (web.folder / "output" / name).write_bytes(b"<script>alert(1)</script>")
    with web.client() as client:
        reply = client.get("/view", params={"filename": name})
    assert reply.status_code == 200
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert reply.headers["content-disposition"].startswith("attachment;") is (name in OTHERS)
    assert reply.headers["content-type"].startswith(MEDIA.get(name, "application/octet-stream"))


def test_a_name_with_a_colon_is_a_name(web: Web, tmp_path: Path) -> None:
    (web.folder / "output" / "12:30_00001_.png").write_bytes(b"x")
    with web.client() as client:
        assert client.get("/view", params={"filename": "12:30_00001_.png"}).status_code == 200
        assert client.get("/view", params={"filename": "C:/boot.ini"}).status_code == 422
