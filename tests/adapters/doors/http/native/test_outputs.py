"""Outputs over HTTP: ranges, caching, links, other formats, inline up to a limit."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from PIL import Image

from adapters.service.store.records import Output
from tests.adapters.doors.http.serving import PICTURE, Web, serving

NOTHING = "/v1/jobs/nothing/outputs/x.png"


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    folder = tmp_path_factory.mktemp("outputs")
    # With keys, so that links are what opens files.
    with serving(folder, api_keys="key", inline_limit_kib=1, max_body_mib=1) as running:
        yield running


@pytest.fixture
def client(web: Web) -> Iterator[httpx.Client]:
    with web.client(headers={"X-API-Key": "key"}) as opened:
        yield opened


def _picture(size: int = 16, form: str = "PNG", mode: str = "RGBA") -> bytes:
    target = io.BytesIO()
    Image.new(mode, (size, size), (255, 0, 0, 0) if mode == "RGBA" else 0).save(target, form)
    return target.getvalue()


def _outputs(client: httpx.Client, job_id: str, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(f"/v1/jobs/{job_id}", params=query).json()["outputs"]
    return found


def test_a_file_comes_whole_in_parts_or_not_again(web: Web, client: httpx.Client) -> None:
    data = _picture()
    job_id = web.job_with(client, web.made("2_images_0.png", data, "image/png"))
    (output,) = _outputs(client, job_id)
    whole = client.get(output["url"])
    assert whole.content == data and whole.headers["content-type"] == "image/png"
    assert whole.headers["etag"] == f'"{hashlib.sha256(data).hexdigest()}"'
    assert whole.headers["content-disposition"].startswith("inline; ")
    assert whole.headers["x-content-type-options"] == "nosniff"
    part = client.get(output["url"], headers={"Range": "bytes=2-5"})
    assert (part.status_code, part.content) == (206, data[2:6])
    assert part.headers["content-range"] == f"bytes 2-5/{len(data)}"
    assert client.get(output["url"], headers={"Range": "bytes=-3"}).content == data[-3:]
    assert client.get(output["url"], headers={"Range": f"bytes={len(data)}-"}).status_code == 416
    same = {"Range": "bytes=0-0", "If-Range": whole.headers["etag"]}
    assert client.get(output["url"], headers=same).status_code == 206
    assert client.get(output["url"], headers={**same, "If-Range": '"other"'}).status_code == 200
    assert client.get(output["url"], headers={"If-None-Match": whole.headers["etag"]}).status_code == 304
    saved = client.get(output["url"], params={"download": "true"})
    assert saved.headers["content-disposition"].startswith("inline") is False


def test_a_link_opens_that_file_alone_and_only_as_it_was_given(web: Web, client: httpx.Client) -> None:
    job_id = web.job_with(client, *(web.made(name, name.encode(), "text/plain") for name in ("a.txt", "b.txt")))
    first, second = (output["url"] for output in _outputs(client, job_id))
    with web.client() as stranger:
        assert stranger.get(first).content == b"a.txt"
        bare = first.partition("?")[0]
        assert stranger.get(bare).status_code == 401
        assert stranger.get(bare + "?" + second.partition("?")[2]).status_code == 403
        assert stranger.get(first.replace("signature=", "signature=A")).status_code == 403
        assert stranger.get(first.replace("expires=1", "expires=2")).status_code == 403
        other = web.job_with(client, web.made("a.txt", b"a.txt", "text/plain"))  # the same file, of another job
        assert stranger.get(first.replace(job_id, other)).status_code == 403
        assert stranger.get(f"/v1/jobs/{job_id}").status_code == 401
    assert client.get(bare).content == b"a.txt"


def test_a_link_ends(web: Web, client: httpx.Client) -> None:
    from adapters.service.blobs.links import signed_query

    output = web.made("a.txt", b"old", "text/plain")
    job_id = web.job_with(client, output)
    query = signed_query(web.services.secret, output.digest or "", f"{job_id}/{output.name}", -1)
    reply = client.get(f"/v1/jobs/{job_id}/outputs/a.txt?{query}")
    assert reply.status_code == 410 and reply.json()["type"].endswith("link-expired")


def test_pictures_come_in_other_formats(web: Web, client: httpx.Client) -> None:
    data = _picture()
    job_id = web.job_with(client, web.made("2_images_0.png", data, "image/png"))
    path = f"/v1/jobs/{job_id}/outputs/2_images_0.png"
    for form, suffix in (("jpeg", ".jpg"), ("webp", ".webp"), ("png", ".png")):
        reply = client.get(path, params={"format": form, "quality": 50})
        assert reply.headers["content-type"] == f"image/{form}"
        assert reply.headers["content-disposition"].endswith(f"2_images_0{suffix}")
        with Image.open(io.BytesIO(reply.content)) as picture:
            assert picture.format == form.upper()
            if form == "jpeg":  # what was transparent is white
                assert min(picture.convert("RGB").getpixel((0, 0))) > 250  # type: ignore[arg-type]
        assert client.get(path, params={"format": form, "quality": 50}).headers["etag"] == reply.headers["etag"]
    assert reply.content == data
    small = len(client.get(path, params={"format": "jpeg", "quality": 1}).content)
    assert small < len(client.get(path, params={"format": "jpeg", "quality": 100}).content)
    for wrong in ({"format": "bmp"}, {"format": "webp", "quality": 101}):
        assert client.get(path, params=wrong).status_code == 422


def test_animations_stay_animations(web: Web, client: httpx.Client) -> None:
    target = io.BytesIO()
    frames = [Image.new("RGB", (8, 8), (n * 80, 0, 0)) for n in range(3)]
    frames[0].save(target, "WEBP", save_all=True, append_images=frames[1:], duration=50, lossless=True)
    job_id = web.job_with(client, web.made("a.webp", target.getvalue(), "image/webp"))
    reply = client.get(f"/v1/jobs/{job_id}/outputs/a.webp", params={"format": "png"})
    with Image.open(io.BytesIO(reply.content)) as picture:
        assert picture.n_frames == 3  # type: ignore[attr-defined]


def test_what_is_no_picture_has_no_other_format(web: Web, client: httpx.Client) -> None:
    broken = web.made("broken.png", b"\x89PNG\r\n\x1a\nbroken", "image/png")
    job_id = web.job_with(client, web.made("film.mp4", b"film", "video/mp4"), broken)
    for name in ("film.mp4", "broken.png"):
        reply = client.get(f"/v1/jobs/{job_id}/outputs/{name}", params={"format": "webp"})
        assert reply.status_code == 415, reply.text
    assert client.get(f"/v1/jobs/{job_id}/outputs/film.mp4").content == b"film"


def test_a_page_with_a_script_is_saved_rather_than_shown(web: Web, client: httpx.Client) -> None:
    svg = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
    job_id = web.job_with(client, web.made("x.svg", svg, "image/svg+xml"), web.made("x.html", b"<p>", "text/html"))
    for name in ("x.svg", "x.html"):
        reply = client.get(f"/v1/jobs/{job_id}/outputs/{name}")
        assert reply.headers["content-disposition"].startswith("attachment; ")
        assert reply.headers["content-security-policy"] == "sandbox"


def test_files_come_inline_up_to_a_limit_and_as_links_always(web: Web, client: httpx.Client) -> None:
    files = {"small.bin": b"s" * 1024, "large.bin": b"l" * 1025, "huge.bin": b"h" * (2**20 - 1024)}
    made = [web.made(name, data, "application/octet-stream") for name, data in files.items()]
    job_id = web.job_with(client, *made, output={"delivery": "auto"})
    inline = {output["name"]: output["base64"] for output in _outputs(client, job_id)}
    assert base64.b64decode(inline["small.bin"]) == files["small.bin"]
    assert inline["large.bin"] is None and inline["huge.bin"] is None
    everything = _outputs(client, job_id, delivery="inline")
    # The three together are more than one reply may have.
    assert [output["base64"] is not None for output in everything] == [True, True, False]
    for output in everything:
        assert client.get(output["url"]).content == files[output["name"]]
    assert all(output["base64"] is None for output in _outputs(client, job_id, delivery="url"))


def test_a_job_may_ask_for_a_format(web: Web, client: httpx.Client) -> None:
    film = web.made("film.mp4", b"film", "video/mp4")
    picture = web.made("p.png", _picture(), "image/png")
    job_id = web.job_with(client, picture, film, output={"format": "jpeg", "quality": 30, "delivery": "inline"})
    first, second = _outputs(client, job_id)
    assert first["media_type"] == "image/jpeg" and base64.b64decode(first["base64"])[:2] == b"\xff\xd8"
    assert client.get(first["url"]).content == base64.b64decode(first["base64"])
    assert second["media_type"] == "video/mp4" and base64.b64decode(second["base64"]) == b"film"


def test_texts_are_values(web: Web, client: httpx.Client) -> None:
    texts = [
        Output(name=f"3_text_{n}", node_id="3", class_type="PreviewAny", kind="text", cached=True, data=data)
        for n, data in enumerate(("a text", {"a": [1, None]}))
    ]
    job_id = web.job_with(client, *texts)
    assert [output["value"] for output in _outputs(client, job_id)] == ["a text", {"a": [1, None]}]
    assert all(output["url"] is None and output["cached"] for output in _outputs(client, job_id))
    assert client.get(f"/v1/jobs/{job_id}/outputs/3_text_0").text == "a text"
    assert client.get(f"/v1/jobs/{job_id}/outputs/3_text_1").json() == {"a": [1, None]}
    assert client.get(f"/v1/jobs/{job_id}/outputs/3_text_1?expires=1&signature=x").status_code == 403


@pytest.mark.parametrize(
    "name",
    ["..%2f..%2fqueue.sqlite", "%2e%2e/secret", "/etc/passwd", "x%00.png", "%ff", "a\\b", "x" * 400],
)
def test_names_lead_nowhere_else(web: Web, client: httpx.Client, name: str) -> None:
    job_id = web.job_with(client, web.made("a.txt", b"a", "text/plain"))
    with httpx.Client(base_url=web.url, headers={"X-API-Key": "key"}) as raw:
        reply = raw.send(raw.build_request("GET", f"/v1/jobs/{job_id}/outputs/{name}"))
    assert reply.status_code in (404, 405, 422), reply.text
    assert b"SQLite" not in reply.content


def test_one_of_many_outputs_is_looked_up(web: Web, client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the list of outputs nor the workflow, which may be as long, is read for it."""
    texts = [
        Output(name=f"1_text_{i}", node_id="1", class_type="PreviewAny", kind="text", cached=False, data=f"text {i}")
        for i in range(10_200)
    ]
    made = web.made("last.png", _picture(), "image/png")
    job_id = web.job_with(client, *texts, made)
    link = client.get(f"/v1/jobs/{job_id}").json()["outputs"][-1]["url"]

    def refuse(*_: object) -> None:
        raise AssertionError("all of it is read for one output")

    monkeypatch.setattr(web.services.store.jobs, "outputs", refuse)
    monkeypatch.setattr(web.services.store.jobs, "get", refuse)
    assert client.get(f"/v1/jobs/{job_id}/outputs/1_text_7000").text == "text 7000"
    assert client.get(f"/v1/jobs/{job_id}/outputs/last.png").content == _picture()
    assert client.get(httpx.URL(link).raw_path.decode()).content == _picture()
    assert client.get(f"/v1/jobs/{job_id}/outputs/none").status_code == 404


def test_a_job_that_runs_has_no_outputs_yet(web: Web, client: httpx.Client) -> None:
    job_id = client.post("/v1/jobs", json={"workflow": PICTURE}).json()["id"]
    assert client.get(f"/v1/jobs/{job_id}/outputs/x.png").status_code == 409
    web.complete(web.claim())
    assert client.get(f"/v1/jobs/{job_id}/outputs/x.png").status_code == 404
    assert client.get(NOTHING).status_code == 404


def test_a_blob_that_is_gone_is_told(web: Web, client: httpx.Client) -> None:
    output = web.made("a.png", _picture(20), "image/png")
    job_id = web.job_with(client, output)
    web.services.blobs.delete(output.digest or "")
    for query in ("", "?format=webp"):
        reply = client.get(f"/v1/jobs/{job_id}/outputs/a.png{query}")
        assert reply.status_code == 404 and reply.json()["type"].endswith("blob-missing")
