"""Pictures made over for ``/view`` and ``/upload/mask``: smaller, one channel, or with another alpha. No torch here."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from adapters.service.errors import RequestInvalid
from nodes.media import pillow_files

_FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF")
_QUALITY = 90
_MASK_COMPRESSION = 4
_TURNS = threading.BoundedSemaphore(2)  # decoded pictures are large; requests may be many
_BOX_PX = 16_383  # the largest side that a WEBP has


@dataclass(frozen=True, slots=True)
class Rendering:
    """``format``: ``png``, ``webp`` or ``jpeg``. ``channel``: ``rgb``, ``a`` or ``rgba``. ``quality``: 1 to 100."""

    format: str
    channel: str
    quality: int = _QUALITY

    @classmethod
    def asked(cls, preview: str | None, channel: str) -> Rendering | None:
        """What the query asks for; ``None`` for the file as it is."""
        if preview is None:
            return cls("png", channel) if channel in ("rgb", "a") else None
        form, _, quality = preview.partition(";")
        form = "webp" if form not in ("webp", "jpeg") or "a" in channel else form
        number = int(quality) if quality.isascii() and quality.isdigit() and len(quality) < 4 else _QUALITY
        return cls(form, "rgb" if channel == "rgb" else "rgba", max(1, min(number, 100)))


def render(file: BinaryIO, rendering: Rendering, max_megapixels: float) -> tuple[bytes, str]:
    """The picture file, and its media type. Raises ``RequestInvalid`` for what is no picture, or too large a one."""
    with _opened(file, max_megapixels) as picture:
        if rendering.format == "webp" and max(picture.size) > _BOX_PX:
            raise RequestInvalid(f"a picture of {picture.width}x{picture.height} is too large for WEBP")
        made = _channel(picture, rendering)
    target = io.BytesIO()
    options = {} if rendering.format == "png" else {"quality": rendering.quality}
    made.save(target, rendering.format, **options)
    return target.getvalue(), f"image/{rendering.format}"


def with_alpha_of(original: Path, mask: BinaryIO, target: Path, max_megapixels: float) -> None:
    """Write ``original`` with the alpha of ``mask`` as a PNG, its texts kept. Raises ``RequestInvalid``."""
    with original.open("rb") as file, _opened(file, max_megapixels) as picture:
        texts = PngInfo()
        for key, text in getattr(picture, "text", {}).items():
            texts.add_text(key, text)
        made = picture.convert("RGBA")
    with _opened(mask, max_megapixels) as picture:
        alpha = picture.convert("RGBA").getchannel("A")
    if alpha.size != made.size:
        sizes = "{}x{} and {}x{}".format(*alpha.size, *made.size)
        raise RequestInvalid(f"mask and picture differ in size: {sizes}", remedy="send a mask of the picture's size")
    made.putalpha(alpha)
    made.save(target, "PNG", compress_level=_MASK_COMPRESSION, pnginfo=texts)


def _channel(picture: Image.Image, rendering: Rendering) -> Image.Image:
    if rendering.channel == "rgb" or rendering.format == "jpeg":
        return picture.convert("RGB")
    if rendering.channel == "a":
        # Black, with the picture's alpha; all opaque where it has none.
        alpha = picture.getchannel("A") if picture.mode == "RGBA" else Image.new("L", picture.size, 255)
        made = Image.new("RGBA", picture.size)
        made.putalpha(alpha)
        return made
    return picture.convert("RGBA" if picture.has_transparency_data else "RGB")


@contextmanager
def _opened(file: BinaryIO, max_megapixels: float) -> Iterator[Image.Image]:
    """The first frame, decoded and upright: its size is looked at before its pixels are made."""

    def check(picture: Image.Image) -> None:
        if picture.width * picture.height > max_megapixels * 1e6:
            raise RequestInvalid(
                f"the picture has {picture.width}x{picture.height} pixels",
                remedy=f"at most {max_megapixels:g} megapixels are taken",
            )

    try:
        with _TURNS, pillow_files.opened(file, check, pillow_files.known(_FORMATS)) as picture:
            picture.load()
            yield pillow_files.upright(picture)
    except UnidentifiedImageError as error:
        raise RequestInvalid("the file is not a picture") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise RequestInvalid(f"the picture cannot be read: {error}") from error
