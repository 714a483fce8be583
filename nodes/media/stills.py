"""Reading picture files: formats, sizes and truncation are checked before pixels are made."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from PIL import Image as Pillow
from PIL import ImageSequence, UnidentifiedImageError
from torch import Tensor

from engine.errors import InputInvalid
from engine.types import Image
from nodes.media import deep_stills, film, heif, images, jxl, opening, pillow_files
from nodes.media.telling import NOBODY, NodeContext

MAX_PIXELS = 178_956_970  # of all frames together
# While a picture is read: three channels and a mask as float32, twice for a batch of several, and as levels.
_BYTES_PER_PIXEL = 40
KNOWN = "convert it to PNG, JPEG or WebP"
WHOLE = "upload the whole file again, or save it anew in a picture editor"
_HEAD_BYTES = 64
Source = Path | bytes


@dataclass(frozen=True, slots=True)
class Still:
    """``rgb``: float32[height, width, 3]; ``alpha``: float32[height, width], or None for an opaque picture."""

    rgb: Tensor
    alpha: Tensor | None


def read(source: Source, run: NodeContext = NOBODY, hdr: str = "sdr") -> tuple[Image, Tensor]:
    """All frames that have the first one's size, and their masks (1 - alpha; 64x64 zeros where no frame has alpha).

    float32[frames, height, width, 3] and float32[frames, height, width], 0..1, turned as the file says; a film's
    frames too. Raises ``InputInvalid`` for a file that is no picture, is damaged, has a frame of more pixels than the
    run's limits allow, or more than ``MAX_PIXELS`` in all.
    """
    try:
        stills = list(_stills(source, run, hdr))
    except UnidentifiedImageError as error:
        message = f"{name_of(source)} is not a picture of a known format"
        refused = InputInvalid(message, input="image", remedy=KNOWN)
        refused.__cause__ = error
        return _film(source, run, hdr, refused)
    first = stills[0]
    fitting = [still for still in stills if still.rgb.shape == first.rgb.shape]
    if len(fitting) < len(stills):
        run.note(f"{name_of(source)}: {len(stills) - len(fitting)} pictures of another size are left out")
    pixels = Image(first.rgb[None] if len(fitting) == 1 else torch.stack([still.rgb for still in fitting]))
    if all(still.alpha is None for still in fitting):
        return pixels, torch.zeros(len(fitting), 64, 64)
    opaque = torch.zeros(first.rgb.shape[:2])
    return pixels, torch.stack([opaque if still.alpha is None else 1.0 - still.alpha for still in fitting])


def read_channel(source: Source, channel: str, run: NodeContext = NOBODY, hdr: str = "sdr") -> Tensor:
    """One channel of the frames as masks, float32[frames, height, width]: red, green, blue, or alpha (as 1 - alpha).

    Zeros for the alpha of a picture that has none.
    """
    pixels, masks = read(source, run, hdr)
    if channel != "alpha":
        return pixels.pixels[..., ("red", "green", "blue").index(channel)]
    width, height = images.size_of(pixels)
    return masks if masks.shape[1:] == (height, width) else torch.zeros(len(masks), height, width)


def name_of(source: Source) -> str:
    """How a message calls it."""
    return "the picture" if isinstance(source, bytes) else f"'{source.name}'"


def _stills(source: Source, run: NodeContext, hdr: str) -> Iterator[Still]:
    """Raises ``UnidentifiedImageError`` where nothing that reads pictures knows the file."""
    name = name_of(source)
    with nullcontext(io.BytesIO(source)) if isinstance(source, bytes) else source.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        file.seek(0)
        try:
            if heif.is_heif(head):
                yield _of_levels(*heif.read(file, name, run.limits.pixels, hdr))
            elif jxl.is_jxl(head):
                yield from (_of_levels(*frame) for frame in jxl.read(file, name, run.limits.pixels))
            elif deep_stills.is_exr(head):
                yield _of_levels(*deep_stills.read(source, hdr, run.limits.pixels))
            else:
                yield from _pillow_stills(file, source, run, hdr)
        except UnidentifiedImageError:
            raise
        except (OSError, SyntaxError, ValueError, EOFError) as error:
            raise InputInvalid(f"{name} is damaged or truncated: {error}", input="image", remedy=WHOLE) from error


def _pillow_stills(file: BinaryIO, source: Source, run: NodeContext, hdr: str) -> Iterator[Still]:
    name, left, deep = name_of(source), MAX_PIXELS, False

    def check(picture: Pillow.Image) -> None:
        nonlocal left, deep
        run.limits.check_pixels(name, picture.width, picture.height, input="image")
        left -= picture.width * picture.height
        deep = deep or deep_stills.has_16_bits(picture)
        if left < 0:
            raise InputInvalid(
                f"{name} has frames of more than {MAX_PIXELS:,} pixels together",
                input="image",
                remedy="make it smaller, or take fewer frames",
            )
        run.limits.admit((MAX_PIXELS - left) * _BYTES_PER_PIXEL)

    with pillow_files.opened(file, check, note=lambda what: run.note(f"{name}: {what}")) as picture:
        left = MAX_PIXELS
        finer = deep_stills.finer_frames(source, picture, deep=deep, hdr=hdr)
        for number, frame in enumerate(ImageSequence.Iterator(picture)):
            check(frame)
            run.check_cancelled()
            still = _of_frame(frame, None if finer is None else finer[number])
            yield still
            if picture.format == "MPO":
                return  # The further pictures of a camera's file are previews or depth maps.


def _of_frame(frame: Pillow.Image, finer: np.ndarray | None) -> Still:
    """``finer``: float32[height, width, 3] of the same frame as stored, where Pillow would lose some of it."""
    alpha = _alpha(frame)
    rgb = _rgb(frame) if finer is None else finer
    if frame.format == "GIF" and alpha is not None:
        rgb = np.where(alpha[..., None] > 0, rgb, np.float32(1.0))  # as players and browsers' white page show it
    turn = pillow_files.turn_of(frame)
    return _of_levels(turn.applied(rgb), None if alpha is None else turn.applied(alpha))


def _rgb(frame: Pillow.Image) -> np.ndarray:
    if frame.mode in ("I", "F") or frame.mode.startswith("I;16"):
        # 16 bits in one channel: Pillow would clip them to 8 instead of scaling.
        levels = np.asarray(frame).astype(np.float32)
        grey = np.clip(levels if frame.mode == "F" else levels / np.float32(65535.0), 0, 1)
        return np.repeat(grey[..., None], 3, axis=2)
    levels = np.array(frame if frame.mode == "RGB" else frame.convert("RGB"), dtype=np.float32)
    return np.divide(levels, np.float32(255.0), out=levels)


def _alpha(frame: Pillow.Image) -> np.ndarray | None:
    if not frame.has_transparency_data:
        return None
    transparent = frame.info.get("transparency")
    if frame.mode == "I" or frame.mode.startswith("I;16"):
        opaque: np.ndarray = (np.asarray(frame) != transparent).astype(np.float32)
        return opaque
    alpha = frame.convert("RGBA").getchannel("A")
    return np.asarray(alpha, dtype=np.float32) / np.float32(255.0)


def _of_levels(levels: np.ndarray, alpha: np.ndarray | None) -> Still:
    rgb = torch.from_numpy(np.ascontiguousarray(levels, dtype=np.float32))
    return Still(rgb, None if alpha is None else torch.from_numpy(np.ascontiguousarray(alpha, dtype=np.float32)))


def _film(source: Source, run: NodeContext, hdr: str, refused: InputInvalid) -> tuple[Image, Tensor]:
    """The frames of what is no picture, but may be a film. Raises ``refused`` where it is neither."""
    if isinstance(source, bytes):
        raise refused
    try:
        with opening.opened(source) as container:
            known = bool(container.streams.video)
    except InputInvalid:
        known = False
    if not known:
        raise refused
    found = film.look(source, run)
    pixels = images.image_of(found, hdr, run)
    if found.channels == 3:
        return pixels, torch.zeros(images.count_of(pixels), 64, 64)
    whole = pixels.pixels
    return Image(whole[..., :3].contiguous()), 1.0 - whole[..., 3]
