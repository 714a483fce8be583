"""Opening picture files with Pillow, as people have them: JPEGs that are cut short, PNGs with texts of any size.

Nothing here imports torch: the web process uses it too.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from PIL import Image as Pillow
from PIL import ImageOps

from nodes.media.orientation import UPRIGHT, Orientation

# Formats that are decoded by Pillow's own code and ordinary libraries; EPS, for one, runs another program.
_SAFE = "AVIF BMP DDS DIB GIF HEIF ICO JPEG JPEG2000 MPO PCX PNG PPM PSD QOI SGI TGA TIFF WEBP"
Pillow.init()
with suppress(ImportError):
    import pi_heif

    pi_heif.register_heif_opener(thumbnails=False)


def known(formats: Iterable[str]) -> tuple[str, ...]:
    """Those that the libraries here read."""
    return tuple(name for name in formats if name in Pillow.OPEN)


FORMATS = known(_SAFE.split())
# Pillow's own check is a process-wide warning, for one frame at a time; readers check sizes themselves.
Pillow.MAX_IMAGE_PIXELS = None
Check = Callable[[Pillow.Image], None]
_ORIENTATION = 0x0112
_TURNS = {
    2: Orientation(False, True, False),
    3: Orientation(False, True, True),
    4: Orientation(False, False, True),
    5: Orientation(True, False, False),
    6: Orientation(True, True, False),
    7: Orientation(True, True, True),
    8: Orientation(True, False, True),
}
_PNG = b"\x89PNG\r\n\x1a\n"
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_JPEG = b"\xff\xd8\xff"
_JPEG_END, _JPEG_SCAN = b"\xff\xd9", b"\xff\xda"
_TEXTS_TOO_LARGE = ("MAX_TEXT_CHUNK", "MAX_TEXT_MEMORY")  # what Pillow's error names


@contextmanager
def opened(
    file: BinaryIO, check: Check, formats: tuple[str, ...] = FORMATS, note: Callable[[str], None] = lambda _: None
) -> Iterator[Pillow.Image]:
    """The picture; ``check`` sees it before its pixels are decoded. A JPEG that is cut short is grey at its end.

    Raises what ``check`` and Pillow raise: ``UnidentifiedImageError``, ``OSError``, ``SyntaxError``, ``ValueError``,
    ``EOFError``.
    """
    start = file.read(len(_JPEG))
    file.seek(0)
    if start == _JPEG and (ended := _ended(file)) is not None:
        file = ended
        note("it is cut short: its last rows are grey")
    try:
        picture = Pillow.open(file, formats=formats)
        check(picture)
        if picture.format == "PNG":
            picture.load()  # Texts may stand behind the pixels, too.
    except ValueError as error:
        if not any(name in str(error) for name in _TEXTS_TOO_LARGE):
            raise
        file.seek(0)
        picture = Pillow.open(io.BytesIO(_without_texts(file.read())), formats=formats)
        check(picture)
    with picture:
        yield picture


def turn_of(picture: Pillow.Image) -> Orientation:
    """How the picture's EXIF orientation says that it is to be shown."""
    return _TURNS.get(picture.getexif().get(_ORIENTATION, 1), UPRIGHT)


def upright(picture: Pillow.Image) -> Pillow.Image:
    """The picture as its EXIF orientation says it is to be shown."""
    return picture if turn_of(picture).upright else ImageOps.exif_transpose(picture)


def _ended(file: BinaryIO) -> BinaryIO | None:
    """A JPEG that has pixels but no end, with an end; ``None`` for one that has it."""
    file.seek(-2, io.SEEK_END)
    last = file.read()
    file.seek(0)
    if last == _JPEG_END:
        return None
    data = file.read()
    file.seek(0)
    return io.BytesIO(data + _JPEG_END) if data.rfind(_JPEG_END) < data.rfind(_JPEG_SCAN) else None


def _without_texts(data: bytes) -> bytes:
    """A PNG's bytes less its texts."""
    kept, at = [_PNG], len(_PNG)
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + size
        if kind not in _TEXTS:
            kept.append(data[at:end])
        at = end
    return b"".join(kept)
