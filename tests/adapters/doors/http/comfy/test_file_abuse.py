"""Names that lead out of a folder, uploads and pictures that are too much: refused, and nothing changed."""

from __future__ import annotations

import contextlib
import os
import zlib
from pathlib import Path

import httpx
import pytest

from tests.adapters.doors.http.comfy.test_files import folder_of, png, upload, view
from tests.adapters.services import Service

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


def test_an_upload_of_too_many_pixels_is_refused_and_leaves_nothing(http: httpx.Client, service: Service) -> None:
    before = sorted(folder_of(service, "input").rglob("*"))
    reply = upload(http, "bomb.png", _bomb())
    assert reply.status_code == 413
    assert "64 megapixels" in reply.text and "bomb.png" in reply.text
    assert sorted(folder_of(service, "input").rglob("*")) == before
    for name, data in (("text.png", b"no picture"), ("cut.png", png()[:60]), ("a.bin", b"\0" * 100)):
        assert upload(http, name, data).status_code == 200  # whoever reads it says what is wrong with it


def _bomb() -> bytes:
    """A picture of 30,000 x 30,000 pixels, by what its header says."""
    data = bytearray(png("L", (1, 1), 0))
    at = data.index(b"IHDR")
    data[at + 4 : at + 12] = (30_000).to_bytes(4) * 2
    data[at + 17 : at + 21] = zlib.crc32(data[at : at + 17]).to_bytes(4)
    return bytes(data)
