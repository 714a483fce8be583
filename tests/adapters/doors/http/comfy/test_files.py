"""``/view`` and ``/upload``: files as ComfyUI's clients name them."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image, PngImagePlugin

from benchmarks.media.films import patches
from benchmarks.media.heif import heic
from tests.adapters.services import Service, picture_prompt


def png(mode: str = "RGBA", size: tuple[int, int] = (6, 4), colour: Any = (10, 20, 30, 128), **texts: str) -> bytes:
    file, info = io.BytesIO(), PngImagePlugin.PngInfo()
    for key, text in texts.items():
        info.add_text(key, text)
    Image.new(mode, size, colour).save(file, "PNG", pnginfo=info)
    return file.getvalue()


def folder_of(service: Service, kind: str) -> Path:
    return Path(service.settings[kind])


def view(http: httpx.Client, filename: str, **query: str) -> httpx.Response:
    return http.get("/view", params={"filename": filename, **query})


def upload(http: httpx.Client, name: str, data: bytes, path: str = "/upload/image", **fields: str) -> httpx.Response:
    return http.post(path, files={"image": (name, data, "image/png")}, data=fields)


def opened(reply: httpx.Response) -> Image.Image:
    assert reply.status_code == 200, reply.text
    return Image.open(io.BytesIO(reply.content))


# -- viewing --------------------------------------------------------------------------------------------------------


def turned_jpeg() -> bytes:
    """56 x 40 pixels, red at the left, that EXIF turns by a quarter to the right."""
    picture, exif, file = Image.new("RGB", (56, 40), (0, 0, 255)), Image.Exif(), io.BytesIO()
    picture.paste((255, 0, 0), (0, 0, 28, 40))
    exif[0x0112] = 6
    picture.save(file, "JPEG", exif=exif, quality=95)
    return file.getvalue()


@pytest.mark.parametrize("query", [{"channel": "rgb"}, {"preview": "webp;90"}, {"preview": "jpeg"}, {"channel": "a"}])
def test_previews_and_channels_are_upright(http: httpx.Client, query: dict[str, str]) -> None:
    name = upload(http, "turned.jpg", turned_jpeg()).json()["name"]
    picture = opened(view(http, name, type="input", **query))
    assert picture.size == (40, 56)
    if "a" not in query.values():
        top, bottom = (picture.convert("RGB").getpixel((20, y)) for y in (5, 50))
        assert top[0] > 200 > 50 > bottom[0]
    assert picture.getexif().get(0x0112, 1) == 1


def test_a_heic_is_shown_as_what_browsers_know(http: httpx.Client) -> None:
    name = upload(http, "phone.heic", heic(patches(), quarter_turns=1)).json()["name"]
    reply = view(http, name, type="input", preview="webp;90")
    assert reply.headers["content-type"] == "image/webp"
    assert opened(reply).size == (96, 128)


def test_a_mask_lies_on_the_picture_as_it_is_shown(http: httpx.Client) -> None:
    name = upload(http, "turned.jpg", turned_jpeg()).json()["name"]
    mask = png("RGBA", (40, 56), (0, 0, 0, 77))
    reference = json.dumps({"filename": name, "type": "input"})
    made = upload(http, "mask.png", mask, "/upload/mask", original_ref=reference).json()["name"]
    assert opened(view(http, made, type="input")).size == (40, 56)


def test_a_file_is_given_as_it_is_with_its_name(http: httpx.Client, service: Service) -> None:
    data = png()
    (folder_of(service, "input") / "given").mkdir(exist_ok=True)
    (folder_of(service, "input") / "given" / "plain.png").write_bytes(data)
    reply = view(http, "plain.png", subfolder="given", type="input")
    assert reply.content == data
    assert reply.headers["content-type"] == "image/png"
    assert reply.headers["content-disposition"] == 'filename="plain.png"'
    for same in (
        view(http, "given/plain.png", type="input"),
        view(http, "plain.png [input]", subfolder="given"),
        http.get("/api/view", params={"filename": "plain.png", "subfolder": "given", "type": "input"}),
    ):
        assert same.content == data
    part = http.get("/view", params={"filename": "given/plain.png", "type": "input"}, headers={"Range": "bytes=1-3"})
    assert (part.status_code, part.content) == (206, b"PNG")


@pytest.mark.parametrize("name", ["bild ä.png", '"quoted".png', "絵　本.png", "a;b.png", "100%.png"])
def test_names_of_all_kinds_are_given_back(http: httpx.Client, service: Service, name: str) -> None:
    (folder_of(service, "input") / name).write_bytes(png())
    reply = view(http, name, type="input")
    assert reply.status_code == 200
    assert reply.headers["content-disposition"].isascii()


def test_channels_and_previews(http: httpx.Client, service: Service) -> None:
    (folder_of(service, "input") / "alpha.png").write_bytes(png())
    rgb = opened(view(http, "alpha.png", type="input", channel="rgb"))
    assert (rgb.mode, rgb.format, rgb.getpixel((0, 0))) == ("RGB", "PNG", (10, 20, 30))
    alpha = opened(view(http, "alpha.png", type="input", channel="a"))
    assert (alpha.mode, alpha.getpixel((0, 0))) == ("RGBA", (0, 0, 0, 128))
    webp = view(http, "alpha.png", type="input", preview="webp;50")
    assert (opened(webp).format, webp.headers["content-type"]) == ("WEBP", "image/webp")
    jpeg = opened(view(http, "alpha.png", type="input", preview="jpeg;80", channel="rgb"))
    assert (jpeg.format, jpeg.mode) == ("JPEG", "RGB")
    assert opened(view(http, "alpha.png", type="input", preview="jpeg", channel="rgba")).format == "WEBP"
    for odd in ("", "gif", "webp;", "webp;x", "webp;0", "webp;999999999", ";;;"):
        assert opened(view(http, "alpha.png", type="input", preview=odd)).format == "WEBP"


def test_an_output_is_given_from_the_blob_store_where_the_folder_lacks_it(http: httpx.Client, service: Service) -> None:
    reply = http.post("/prompt", json={"prompt": picture_prompt(60, "far/away")}).json()
    service.ended(reply["prompt_id"])
    made = http.get(f"/history/{reply['prompt_id']}").json()[reply["prompt_id"]]["outputs"]["2"]["images"][0]
    path = folder_of(service, "output") / made["subfolder"] / made["filename"]
    data = path.read_bytes()
    path.unlink()  # as on a machine where another one's worker made it
    assert http.get("/view", params=made).content == data
    assert http.get("/view", params=made, headers={"Range": "bytes=-4"}).content == data[-4:]
    assert opened(http.get("/view", params=made | {"preview": "webp"})).size == (16, 16)


@pytest.mark.parametrize("name", ["page.html", "page.svg", "code.js", "style.css", "page.xhtml", "page.xml"])
def test_what_a_browser_would_run_is_downloaded(http: httpx.Client, service: Service, name: str) -> None:
    (folder_of(service, "output") / name).write_text("<script>alert(1)</script>")
    reply = view(http, name)
    assert reply.headers["content-type"] == "application/octet-stream"
    assert reply.headers["x-content-type-options"] == "nosniff"


def test_what_is_not_there_is_not_found(http: httpx.Client) -> None:
    assert view(http, "nowhere.png").status_code == 404
    assert view(http, "nowhere.png", subfolder="a/b", type="temp").status_code == 404
    assert view(http, "x" * 900).status_code == 404
    assert http.get("/view").status_code == 422


# -- uploading ------------------------------------------------------------------------------------------------------


def test_an_upload_keeps_what_is_there_unless_told_otherwise(http: httpx.Client, service: Service) -> None:
    one, two = png(colour=(1, 1, 1, 1)), png(colour=(2, 2, 2, 2))
    folder = folder_of(service, "input") / "up"
    assert upload(http, "a.png", one, subfolder="up").json() == {"name": "a.png", "subfolder": "up", "type": "input"}
    assert upload(http, "a.png", one, subfolder="up").json()["name"] == "a.png"
    assert upload(http, "a.png", two, subfolder="up").json()["name"] == "a (1).png"
    assert upload(http, "a.png", two, subfolder="up").json()["name"] == "a (1).png"
    assert sorted(path.name for path in folder.iterdir()) == ["a (1).png", "a.png"]
    assert upload(http, "a.png", two, subfolder="up", overwrite="true").json()["name"] == "a.png"
    assert (folder / "a.png").read_bytes() == two


@pytest.mark.parametrize("kind", ["input", "output", "temp"])
def test_an_upload_goes_into_the_named_folder(http: httpx.Client, service: Service, kind: str) -> None:
    reply = upload(http, f"{kind}.bin", b"any bytes", path="/api/upload/image", type=kind)
    assert reply.json() == {"name": f"{kind}.bin", "subfolder": "", "type": kind}
    assert (folder_of(service, kind) / f"{kind}.bin").read_bytes() == b"any bytes"


def test_a_mask_becomes_the_alpha_of_its_picture(http: httpx.Client, service: Service) -> None:
    upload(http, "base.png", png("RGB", colour=(9, 8, 7), prompt="{}"), subfolder="masks")
    original = json.dumps({"filename": "base.png", "subfolder": "masks", "type": "input"})
    fields = {"original_ref": original, "subfolder": "masks", "type": "input"}
    reply = upload(http, "masked.png", png(colour=(0, 0, 0, 77)), path="/upload/mask", **fields)
    assert reply.json() == {"name": "masked.png", "subfolder": "masks", "type": "input"}
    masked = Image.open(folder_of(service, "input") / "masks" / "masked.png")
    assert masked.getpixel((0, 0)) == (9, 8, 7, 77)
    assert masked.text == {"prompt": "{}"}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "original",
    [
        "",
        "{",
        "[]",
        "[" * 100_000,
        '{"filename": "../../etc/passwd", "type": "input"}',
        '{"filename": "base.png", "subfolder": "..", "type": "input"}',
        '{"filename": "base.png", "type": "secret"}',
        '{"filename": "not-there.png", "type": "input"}',
        '{"filename": {"a": 1}}',
        '{"filename": ""}',
    ],
)
def test_a_mask_for_no_picture_is_refused(http: httpx.Client, service: Service, original: str) -> None:
    reply = upload(http, "refused.png", png(), path="/upload/mask", original_ref=original)
    assert reply.status_code in (404, 422)
    assert not list(folder_of(service, "input").glob("refused*"))


def test_a_mask_that_does_not_fit_or_is_none_is_refused(http: httpx.Client) -> None:
    upload(http, "fits.png", png())
    original = json.dumps({"filename": "fits.png", "type": "input"})
    for mask in (png(size=(5, 5)), b"no picture", b"", png()[:40]):
        assert upload(http, "m.png", mask, path="/upload/mask", original_ref=original).status_code == 422
