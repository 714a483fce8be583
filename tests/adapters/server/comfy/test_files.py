"""``/view`` and ``/upload``: files as ComfyUI's clients name them, and what must not be reached by any name."""

from __future__ import annotations

import contextlib
import io
import json
import os
import zlib
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image, PngImagePlugin

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


# -- abuse ----------------------------------------------------------------------------------------------------------

OUTSIDE = [
    "../secret.txt",
    "../../secret.txt",
    "/etc/passwd",
    "//etc/passwd",
    "..\\secret.txt",
    "C:\\secret.txt",
    "C:/secret.txt",
    "\\\\host\\share\\secret.txt",
    "a/../../secret.txt",
    "./../secret.txt",
    "secret.txt\0.png",
    "\0",
    "..",
    ".",
    "",
    "/",
    "a/",
    "a\nb.png",
    "..%2fsecret.txt/..",
    "../input/../secret.txt",
]


@pytest.fixture
def secret(service: Service) -> Path:
    """A file beside the folders."""
    path = service.folder / "secret.txt"
    path.write_text("the secret")
    return path


@pytest.mark.parametrize("kind", ["input", "output", "temp"])
@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.usefixtures("secret")
def test_no_name_leads_out_of_a_folder(http: httpx.Client, service: Service, name: str, kind: str) -> None:
    for query in ({"filename": name}, {"filename": "secret.txt", "subfolder": name.removesuffix("secret.txt") or ".."}):
        reply = http.get("/view", params=query | {"type": kind})
        # 200: what an upload below has put there, whose name could be read harmlessly.
        assert reply.status_code in (404, 422) or reply.content == png()
    before = sorted(service.folder.rglob("*"))
    for fields in (
        {"name": name or "..", "subfolder": ""},
        {"name": "s.png", "subfolder": name if len(name) > 1 else ".."},
    ):
        reply = upload(http, fields["name"], png(), subfolder=fields["subfolder"], type=kind)
        assert reply.status_code in (400, 422) or _inside(service, kind, reply.json())
    kept = [path for path in before if path.name != "log"]
    assert [path for path in kept if not path.exists()] == []
    assert (service.folder / "secret.txt").read_text() == "the secret"


def _inside(service: Service, kind: str, saved: dict[str, str]) -> bool:
    """Whether an upload whose name could be read harmlessly has gone where it may go."""
    root = folder_of(service, kind)
    path = root / saved["subfolder"].replace("\\", "/") / saved["name"].replace("\\", "/")
    return path.is_file() and path.resolve().is_relative_to(root.resolve())


@pytest.mark.parametrize("kind", ["etc", "", "models", "../input", "INPUT", "input\0"])
def test_there_are_three_folders(http: httpx.Client, kind: str) -> None:
    assert http.get("/view", params={"filename": "a.png", "type": kind}).status_code in (404, 422)
    if kind:
        assert upload(http, "a.png", png(), type=kind).status_code == 422


def test_slashes_in_their_spellings_lead_nowhere(http: httpx.Client, secret: Path, service: Service) -> None:
    for path in (
        "/view?filename=..%2fsecret.txt&type=input",
        "/view?filename=..%252fsecret.txt&type=input",
        "/view?filename=%2e%2e%2fsecret.txt&type=input",
        "/view?filename=..%c0%afsecret.txt&type=input",
        "/view?filename=secret.txt&subfolder=..%5c&type=input",
        "/view_metadata/..%2f..?filename=secret.safetensors",
        "/view_metadata/checkpoints?filename=..%2fsecret.safetensors",
        "/models/..%2f..",
        "/userdata/..%2f..%2fsecret.txt",
        "/userdata/..%5csecret.txt",
        "/userdata?dir=..",
        "/history/..%2fsecret.txt",
        "/object_info/..%2fsecret.txt",
    ):
        reply = http.get(path)
        assert reply.status_code in (200, 404, 422), path
        assert "the secret" not in reply.text
        assert str(service.folder) not in reply.text


def test_links_out_of_a_folder_are_not_followed(http: httpx.Client, service: Service, secret: Path) -> None:
    root = folder_of(service, "input")
    os.symlink(secret, root / "link.txt")
    os.symlink(service.folder, root / "linked", target_is_directory=True)
    assert view(http, "link.txt", type="input").status_code == 404
    assert view(http, "secret.txt", subfolder="linked", type="input").status_code == 404
    assert upload(http, "new.png", png(), subfolder="linked").status_code == 422
    assert not (service.folder / "new.png").exists()
    assert upload(http, "link.txt", b"other", overwrite="true").status_code == 200
    assert secret.read_text() == "the secret"  # The link was replaced, not what it led to.
    (root / "linked").unlink()


def test_a_giant_upload_is_refused_and_leaves_nothing(http: httpx.Client, service: Service) -> None:
    before = sorted(folder_of(service, "input").rglob("*"))
    with contextlib.suppress(httpx.WriteError):  # It may have answered and hung up.
        assert upload(http, "giant.png", bytes(101 * 2**20)).status_code == 413
    assert sorted(folder_of(service, "input").rglob("*")) == before
    assert upload(http, "small.png", png()).status_code == 200


@pytest.mark.parametrize(
    ("headers", "content"),
    [
        ({"Content-Type": "multipart/form-data"}, b"x"),
        ({"Content-Type": "multipart/form-data; boundary=b"}, b"--b\r\nnonsense"),
        (
            {"Content-Type": "multipart/form-data; boundary=b"},
            b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--",
        ),
        ({"Content-Type": "multipart/form-data; boundary=b"}, b""),
        ({"Content-Type": "application/json"}, b"{}"),
        ({}, b""),
    ],
)
def test_forms_that_are_none_are_refused(http: httpx.Client, headers: dict[str, str], content: bytes) -> None:
    for path in ("/upload/image", "/upload/mask"):
        assert http.post(path, content=content, headers=headers).status_code in (415, 422)


def test_a_form_of_thousands_of_fields_is_refused(http: httpx.Client) -> None:
    files = [("image", (f"{number}.png", b"x")) for number in range(5)]
    assert http.post("/upload/image", files=files).status_code == 422
    fields = {f"field{number}": "x" for number in range(1000)}
    assert http.post("/upload/image", files={"image": ("a.png", b"x")}, data=fields).status_code == 422


def test_pictures_that_are_none_or_too_large_are_not_decoded(http: httpx.Client, service: Service) -> None:
    root = folder_of(service, "output")
    (root / "text.png").write_text("no picture")
    (root / "cut.png").write_bytes(png(size=(300, 300))[:100])
    (root / "bomb.png").write_bytes(_bomb())
    for name in ("text.png", "cut.png", "bomb.png"):
        for query in ({"preview": "webp;90"}, {"channel": "rgb"}, {"channel": "a"}):
            assert view(http, name, **query).status_code == 422


def _bomb() -> bytes:
    """A picture of 30,000 x 30,000 pixels, by what its header says."""
    data = bytearray(png("L", (1, 1), 0))
    at = data.index(b"IHDR")
    data[at + 4 : at + 12] = (30_000).to_bytes(4) * 2
    data[at + 17 : at + 21] = zlib.crc32(data[at : at + 17]).to_bytes(4)
    return bytes(data)
