"""What a file is and whether it is whole, told by its headers."""

from __future__ import annotations

import contextlib
import gzip
import io
import pickle
import struct
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from adapters.service.intake import picture_sizes
from adapters.service.intake.contents import check_contents
from adapters.service.intake.errors import InputRefused, InputTooLarge
from benchmarks.media.films import patches
from benchmarks.media.heif import heic
from tests.adapters.service.intake import files
from tests.adapters.service.intake.files import picture, png_chunk, png_claiming, safetensors

FORMS = ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"]
WHOLE_IS_KNOWN = ["PNG", "JPEG", "WEBP", "GIF", "AVIF"]
AVIF_START = b"\0\0\0\x10ftypavif\0\0\0\0"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file"


def check(path: Path, data: bytes, max_pixels: int = 100_000_000, name: str = "x.bin") -> tuple[str, str]:
    path.write_bytes(data)
    kind = check_contents(name, path, max_pixels)
    return kind.media_type, kind.suffix_for(name)


@pytest.mark.parametrize("form", FORMS)
def test_pictures_are_known_and_their_pixels_counted(path: Path, form: str) -> None:
    data = picture(form, 50, 30)
    media_type, suffix = check(path, data, 1500)
    assert media_type == f"image/{form.lower()}"
    assert suffix == {"JPEG": ".jpg"}.get(form, f".{form.lower()}")
    with pytest.raises(InputTooLarge, match="50x30 pixels"):
        check(path, data, 1499)


@pytest.mark.parametrize(
    ("form", "options"),
    [
        ("JPEG", {"progressive": True}),
        ("JPEG", {"optimize": True, "exif": b"Exif\0\0" + b"\xff\xd9" * 100}),
        ("WEBP", {"lossless": True}),
        ("WEBP", {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0"}),
        ("GIF", {"save_all": True, "append_images": [Pillow.new("RGB", (50, 30), "red")]}),
        ("PNG", {"save_all": True, "append_images": [Pillow.new("RGB", (50, 30), "red")]}),
    ],
)
def test_variants_of_formats(path: Path, form: str, options: dict[str, object]) -> None:
    data = picture(form, 50, 30, **options)
    check(path, data, 1500)
    with pytest.raises(InputTooLarge):
        check(path, data, 1499)


@pytest.mark.parametrize("form", WHOLE_IS_KNOWN)
def test_a_picture_that_is_cut_off_is_refused_wherever_it_ends(path: Path, form: str) -> None:
    data = picture(form, 20, 20)
    margin = 2 if form == "GIF" else 1  # A GIF without its trailer is whole for every reader.
    for length in range(1, len(data) - margin, 7):
        with pytest.raises(InputRefused):
            check(path, data[:length])
    with pytest.raises(InputRefused):
        check(path, data[: len(data) - margin])


@pytest.mark.parametrize("form", ["BMP", "TIFF"])
def test_other_pictures_without_a_whole_header_are_refused(path: Path, form: str) -> None:
    with pytest.raises(InputRefused):
        check(path, picture(form, 40, 40)[:20])


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF"])
def test_what_follows_a_picture_does_no_harm(path: Path, form: str) -> None:
    check(path, picture(form) + b"\0" * 1000)


@settings(
    max_examples=200,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
)
@given(st.sampled_from(FORMS), st.data())
def test_no_damage_lets_a_picture_in_that_is_larger_than_it_seems(path: Path, form: str, data: st.DataObject) -> None:
    """Whatever a header says after it: a limit below the pixels that Pillow decodes refuses the file."""
    content = bytearray(picture(form, 20, 20))
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    pixels = _pixels_decoded(bytes(content))
    with contextlib.suppress(InputRefused):
        check(path, bytes(content))
    if pixels > 1:
        with pytest.raises(InputRefused):
            check(path, bytes(content), pixels - 1)


@settings(
    max_examples=150,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
)
@given(
    st.sampled_from(
        [b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBP", b"GIF89a", b"BM", b"II*\0", AVIF_START]
    ),
    st.binary(max_size=100),
)
def test_any_bytes_are_refused_unless_all_of_a_file_is_there(path: Path, start: bytes, rest: bytes) -> None:
    """What is refused is left as it is; what is taken after all has no more pixels than its header can say."""
    pixels = _pixels_decoded(start + rest)
    with contextlib.suppress(InputRefused):
        check(path, start + rest)
        assert rest, "the first bytes of a kind are no file"
    assert path.read_bytes() == start + rest
    if pixels > 1:
        with pytest.raises(InputRefused):
            check(path, start + rest, pixels - 1)


def _pixels_decoded(content: bytes) -> int:
    """How many pixels one frame has when Pillow has decoded it; 0 where it cannot."""
    try:
        with Pillow.open(io.BytesIO(content)) as decoded:
            if decoded.width * decoded.height > 10**7:
                return 0
            decoded.load()
            return decoded.width * decoded.height
    except Exception:  # noqa: BLE001 - Pillow raises anything for damaged files
        return 0


@pytest.mark.parametrize(
    "data",
    [
        png_claiming(100_000, 100_000),
        png_claiming(2**31 - 1, 2**31 - 1, zlib.compress(b"\0" * 10**7)),
        b"GIF89a\1\0\1\0\0\0\0" + b"," + struct.pack("<HHHHB", 0, 0, 65535, 65535, 0) + b"\x02\x02\x44\x01\x00;",
        b"\xff\xd8\xff\xc0" + struct.pack(">HBHH", 17, 8, 65535, 65535) + b"\3" + b"\0" * 9 + b"\xff\xda\0\2\xff\xd9",
        b"RIFF" + struct.pack("<I", 22) + b"WEBPVP8X" + struct.pack("<I", 10) + b"\0\0\0\0" + b"\xff\xff\xff" * 2,
        b"RIFF" + struct.pack("<I", 18) + b"WEBPVP8L" + struct.pack("<I", 5) + b"\x2f\xff\xff\xff\x0f\0",
        AVIF_START + struct.pack(">I4sIII", 20, b"ispe", 0, 60000, 60000) + b"\0\0\0\x08mdat",
        b"MM\0*" + struct.pack(">IHHHIIHHII", 8, 2, 256, 4, 1, 60000, 257, 4, 1, 60000),
        b"BM" + struct.pack("<IHHIIiiHHIIiiII", 10**6, 0, 0, 54, 40, 60000, 60000, 1, 24, 0, 0, 0, 0, 0, 0),
    ],
)
def test_a_hundred_megapixels_are_the_limit_and_bombs_are_not_unpacked(path: Path, data: bytes) -> None:
    tracemalloc.start()
    with pytest.raises(InputTooLarge, match="pixels"):
        check(path, data)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 5_000_000


def test_a_hundred_megapixels_pass_and_one_more_row_does_not(path: Path) -> None:
    check(path, png_claiming(10_000, 10_000))
    with pytest.raises(InputTooLarge, match=r"10000x10001 pixels are more than 100 megapixels.*make it smaller"):
        check(path, png_claiming(10_000, 10_001))


@pytest.mark.parametrize("size", [(0, 5), (5, 0)])
def test_a_picture_without_pixels_is_refused(path: Path, size: tuple[int, int]) -> None:
    with pytest.raises(InputRefused, match="no pixels"):
        check(path, png_claiming(*size))


def test_a_picture_of_very_many_parts_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = png_claiming(5, 5)
    with pytest.raises(InputRefused, match="too many parts"):
        check(path, data[:33] + png_chunk(b"tEXt", b"") * 300_000 + data[33:])
    with pytest.raises(InputRefused, match="too many parts"):
        check(path, b"GIF89a\1\0\1\0\0\0\0" + b"!\xfe\0" * 300_000)
    monkeypatch.setattr(picture_sizes, "_MAX_BLOCKS", 1000)
    with pytest.raises(InputRefused, match="too many parts"):
        check(path, b"GIF89a\1\0\1\0\0\0\0" + (b"!\xfe" + b"\1x" * 400 + b"\0") * 3)


@pytest.mark.parametrize(
    ("data", "media_type", "suffix"),
    [
        (files.MP4, "video/mp4", ".mp4"),
        (files.MOV, "video/quicktime", ".mov"),
        (files.M4A, "audio/mp4", ".m4a"),
        (files.WEBM, "video/webm", ".webm"),
        (files.AVI, "video/x-msvideo", ".avi"),
        (files.WAV, "audio/wav", ".wav"),
        (files.MP3, "audio/mpeg", ".mp3"),
        (files.BARE_MP3, "audio/mpeg", ".mp3"),
        (files.AAC, "audio/aac", ".aac"),
        (files.FLAC, "audio/flac", ".flac"),
        (files.OGG, "audio/ogg", ".ogg"),
        (safetensors(), "application/octet-stream", ".safetensors"),
        (files.TS, "video/mp2t", ".ts"),
        (files.THREE_GP, "video/3gpp", ".3gp"),
        (files.AIFF, "audio/aiff", ".aiff"),
        (files.JXL, "image/jxl", ".jxl"),
        (heic(patches()), "image/heic", ".heic"),
    ],
)
def test_video_sound_and_latents_are_known(path: Path, data: bytes, media_type: str, suffix: str) -> None:
    assert check(path, data) == (media_type, suffix)


@pytest.mark.parametrize(
    ("data", "name", "suffix"),
    [
        (files.WEBM, "Film.MKV", ".mkv"),
        (files.OGG, "a.opus", ".opus"),
        (safetensors(), "a.latent", ".latent"),
        (picture("JPEG"), "a.jpeg", ".jpeg"),
        (picture("JPEG"), "a.png", ".jpg"),
        (picture("PNG"), "a", ".png"),
    ],
)
def test_the_suffix_is_that_of_the_name_where_it_fits_the_contents(
    path: Path, data: bytes, name: str, suffix: str
) -> None:
    assert check(path, data, name=name)[1] == suffix


def _zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", "x")
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        *((pickle.dumps({"a": 1}, protocol), "pickle") for protocol in (2, 3, 4, 5)),
        (_zip(), "pickle"),
        (gzip.compress(b"\0" * 10**6), "gzip"),
        (b"", "empty"),
        (b"hello", "no picture, video, sound or safetensors"),
        (b"<svg/>", "no picture"),
        (b"#!/bin/sh\n", "no picture"),
        (b"\x7fELF" + b"\0" * 60, "no picture"),
    ],
)
def test_what_no_node_loads_is_refused(path: Path, data: bytes, says: str) -> None:
    with pytest.raises(InputRefused, match=says):
        check(path, data, name="x.png")


@pytest.mark.parametrize(
    "data",
    [
        safetensors()[:-1],
        safetensors()[:20],
        safetensors(end=10**12),
        struct.pack("<Q", 50) + b"{" + b"[" * 49,
        struct.pack("<Q", 9) + b'{"x": 12}',
        struct.pack("<Q", 12) + b'{"x": {}}   ',
        struct.pack("<Q", 100_000_000) + b"{" + b" " * 100,
        struct.pack("<Q", 50_000) + b'{"x":' + b"[" * 49_994 + b"}",
    ],
)
def test_a_broken_safetensors_file_is_refused(path: Path, data: bytes) -> None:
    with pytest.raises(InputRefused, match=r"header|half way"):
        check(path, data)
