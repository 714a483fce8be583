"""Workflow texts in PNG, WEBP and JPEG files."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from engine.picture_metadata import PNG_MAGIC, picture_kind, read_picture_texts

PROMPT, WORKFLOW = '{"1": {"class_type": "Ä"}}', '{"nodes": []}'
BOTH = {"prompt": PROMPT, "workflow": WORKFLOW}


def saved(kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, kind, **options)
    return file.getvalue()


def exif(*, comment: bytes | None = None) -> bytes:
    """EXIF as ComfyUI writes it: the prompt under Model, the workflow under Make."""
    tags = Image.Exif()
    if comment is None:
        tags[0x0110] = f"prompt:{PROMPT}".encode()
        tags[0x010F] = f"workflow:{WORKFLOW}"
    else:
        tags[0x8769] = {0x9286: comment}
    return tags.tobytes()


def png(*, compressed: bool = False, international: bool = False) -> bytes:
    info = PngInfo()
    for name, text in BOTH.items():
        if international:
            info.add_itxt(name, text, zip=compressed)
        else:
            info.add_text(name, text, zip=compressed)
    return saved("PNG", pnginfo=info)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("international", [False, True])
def test_png_text_chunks(compressed: bool, international: bool) -> None:
    assert read_picture_texts(io.BytesIO(png(compressed=compressed, international=international))) == BOTH


def test_text_after_the_pixels_and_comfyuis_own_chunk_are_found() -> None:
    plain = saved("PNG")
    end = plain.index(b"IEND") - 4
    late = chunk(b"comf", b"prompt\0" + PROMPT.encode()) + chunk(b"tEXt", b"workflow\0" + WORKFLOW.encode())
    assert read_picture_texts(io.BytesIO(plain[:end] + late + plain[end:])) == BOTH


@pytest.mark.parametrize("kind", ["WEBP", "JPEG", "PNG"])
def test_exif(kind: str) -> None:
    assert read_picture_texts(io.BytesIO(saved(kind, exif=exif()))) == BOTH


@pytest.mark.parametrize(
    "comment",
    [
        b"UNICODE\0" + PROMPT.encode("utf-16-be"),
        b"UNICODE\0" + PROMPT.encode("utf-16-le"),
        b"UNICODE\0" + PROMPT.encode("utf-16"),
        b"ASCII\0\0\0" + WORKFLOW.encode(),
        b"\0" * 8 + PROMPT.encode(),
    ],
)
def test_user_comments(comment: bytes) -> None:
    expected = WORKFLOW if comment.startswith(b"ASCII") else PROMPT
    assert read_picture_texts(io.BytesIO(saved("JPEG", exif=exif(comment=comment)))) == {"comment": expected}


def test_pixels_are_not_read_and_broken_pictures_give_what_they_have() -> None:
    data = png()
    assert read_picture_texts(io.BytesIO(data[: data.index(b"IDAT")])) == BOTH
    assert read_picture_texts(io.BytesIO(data[: data.index(b"workflow")])) == {"prompt": PROMPT}


def test_a_text_that_inflates_without_end_is_left_out() -> None:
    bomb = chunk(b"zTXt", b"prompt\0\0" + zlib.compress(bytes(2**27), 9))
    broken = chunk(b"zTXt", b"workflow\0\0not zlib")
    assert read_picture_texts(io.BytesIO(PNG_MAGIC + bomb + broken)) == {}


@pytest.mark.parametrize(
    ("data", "kind"),
    [(png(), "PNG"), (saved("JPEG"), "JPEG"), (saved("WEBP"), "WEBP"), (saved("GIF"), None), (b'{"1": 2}', None)],
)
def test_kinds_are_told_by_the_first_bytes(data: bytes, kind: str | None) -> None:
    assert picture_kind(data[:12]) == kind


@given(
    st.sampled_from([png, lambda: saved("WEBP", exif=exif()), lambda: saved("JPEG", exif=exif())]),
    st.integers(0, 3000),
    st.binary(min_size=1, max_size=6),
)
def test_any_damage_is_survived(make: Callable[[], bytes], at: int, put: bytes) -> None:
    data = make()
    at %= len(data)
    texts = read_picture_texts(io.BytesIO(data[:at] + put + data[at + len(put) :]))
    assert all(isinstance(text, str) for text in texts.values())
