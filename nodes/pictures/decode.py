"""Reading picture files and data URLs, safely: formats, sizes and truncation are checked before pixels are made."""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image as Pillow
from PIL import ImageOps, ImageSequence, UnidentifiedImageError
from torch import Tensor

from engine.errors import InputInvalid
from engine.folders import Folders

# All frames together; what Pillow itself refuses. 20,000 px wide is fine up to 8,900 px high.
MAX_PIXELS = 178_956_970
# Formats that are decoded here, by Pillow's own code and ordinary libraries; EPS, for one, runs another program.
_SAFE = "AVIF BMP DDS DIB GIF ICO JPEG JPEG2000 PCX PNG PPM PSD QOI SGI TGA TIFF WEBP"
Pillow.init()
FORMATS = tuple(name for name in _SAFE.split() if name in Pillow.OPEN)
ENCODED = "give the bytes of a picture file as base64 text"
KNOWN = "convert it to PNG, JPEG or WebP"
WHOLE = "upload the whole file again, or save it anew in a picture editor"
# Pillow's own check is a process-wide warning, for one frame at a time; the check below takes its place.
Pillow.MAX_IMAGE_PIXELS = None


def find(folders: Folders, name: str) -> Path | bytes:
    """What an ``image`` input names: a file in the input folder (``name [output]`` too), or a data URL's bytes."""
    return from_base64(name, input="image") if name.startswith("data:") else folders.find_input(name)


def from_base64(text: str, *, input: str) -> bytes:
    """The bytes of a data URL or of bare base64 text. Raises ``InputInvalid`` for anything else."""
    head, comma, body = text.partition(",")
    if head.startswith("data:") and not (comma and head.endswith(";base64")):
        raise InputInvalid("a data URL must be 'data:image/...;base64,...'", input=input, remedy=ENCODED)
    try:
        data = base64.b64decode("".join((body if comma else head).split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputInvalid(f"the text is not base64: {error}", input=input, remedy=ENCODED) from error
    if not data:
        raise InputInvalid("the base64 text holds nothing", input=input, remedy=ENCODED)
    return data


def read(source: Path | bytes) -> tuple[Tensor, Tensor]:
    """All frames that have the first one's size, and their masks (1 - alpha; one of 64x64 zeros without alpha).

    float32[frames, height, width, 3] and float32[frames, height, width], 0..1, turned as EXIF says. Raises
    ``InputInvalid`` for a file that is no picture, is truncated or has more than ``MAX_PIXELS``.
    """
    frames: list[Tensor] = []
    masks: list[Tensor | None] = []
    for frame in _frames(source):
        pixels = _rgb(frame)
        if not frames or pixels.shape == frames[0].shape:
            frames.append(pixels)
            alpha = _alpha(frame)
            masks.append(None if alpha is None else 1.0 - alpha)
    if not any(mask is not None for mask in masks):
        return torch.stack(frames), torch.zeros(len(frames), 64, 64)
    opaque = torch.zeros(frames[0].shape[:2])
    return torch.stack(frames), torch.stack([opaque if mask is None else mask for mask in masks])


def read_channel(source: Path | bytes, channel: str) -> Tensor:
    """One channel of the first frame as a mask, float32[1, height, width]: red, green, blue, or alpha (as 1 - alpha).

    Zeros for the alpha of a picture that has none.
    """
    frame = next(_frames(source))
    if channel == "alpha":
        alpha = _alpha(frame)
        return torch.zeros(1, frame.height, frame.width) if alpha is None else (1.0 - alpha)[None]
    return _rgb(frame)[None, ..., ("red", "green", "blue").index(channel)]


def _frames(source: Path | bytes) -> Iterator[Pillow.Image]:
    name = "the picture" if isinstance(source, bytes) else f"'{source.name}'"
    try:
        with Pillow.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=FORMATS) as picture:
            left = MAX_PIXELS
            for frame in ImageSequence.Iterator(picture):
                left -= frame.width * frame.height
                if left < 0:
                    raise InputInvalid(
                        f"{name} ({picture.width}x{picture.height}) has more than {MAX_PIXELS:,} pixels",
                        input="image",
                        remedy="make it smaller, or take fewer frames",
                    )
                yield ImageOps.exif_transpose(frame)
                if picture.format == "MPO":
                    return  # The further pictures of a camera's file are previews or depth maps.
    except UnidentifiedImageError as error:
        raise InputInvalid(f"{name} is not a picture of a known format", input="image", remedy=KNOWN) from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise InputInvalid(f"{name} is damaged or truncated: {error}", input="image", remedy=WHOLE) from error


def _rgb(frame: Pillow.Image) -> Tensor:
    if frame.mode == "I" or frame.mode.startswith("I;16"):
        # 16 bits in one channel: Pillow would clip them to 8 instead of scaling.
        grey = torch.from_numpy(np.asarray(frame).astype(np.float32) / np.float32(65535.0)).clamp(0, 1)
        return grey[..., None].expand(*grey.shape, 3)
    return torch.from_numpy(np.asarray(frame.convert("RGB"), dtype=np.float32) / np.float32(255.0))


def _alpha(frame: Pillow.Image) -> Tensor | None:
    if "A" not in frame.getbands() and not (frame.mode == "P" and "transparency" in frame.info):
        return None
    alpha = frame.convert("RGBA").getchannel("A")
    return torch.from_numpy(np.asarray(alpha, dtype=np.float32) / np.float32(255.0))
