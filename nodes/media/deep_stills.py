"""Stills of which Pillow would lose something: 16 bits in several channels, EXR, and AVIF's colours."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.stream import Disposition
from PIL import Image as Pillow

from engine.errors import InputInvalid
from nodes.media import colour, images

_EXR = b"\x76\x2f\x31\x01"
_FORMATS = {"PNG": "png_pipe", "TIFF": "tiff_pipe", "AVIF": "mov,mp4,avif", "EXR": "exr_pipe"}


def is_exr(head: bytes) -> bool:
    """Whether a file that starts so is OpenEXR."""
    return head.startswith(_EXR)


def read(source: Path | bytes, hdr: str, max_pixels: int) -> tuple[np.ndarray, np.ndarray | None]:
    """An EXR's picture: float32[height, width, 3] as stored (scene light, not clipped), and its alpha.

    Raises ``InputInvalid``, and ``ValueError`` for a damaged file.
    """
    frames = _decoded(source, "EXR", None, max_pixels)
    if not frames:
        raise ValueError("nothing of it can be decoded")
    pixels = images.as_floats(frames[0], hdr)
    return pixels[..., :3], pixels[..., 3] if pixels.shape[2] == 4 else None


def finer_frames(source: Path | bytes, picture: Pillow.Image, *, deep: bool, hdr: str) -> Sequence[np.ndarray] | None:
    """float32[height, width, 3] of each frame as stored, neither turned nor mirrored, where this is finer than Pillow.

    That is so for RGB of 16 bits, which Pillow cuts to 8, and for AVIF, whose colours its library only approximates.
    ``deep``: what ``has_16_bits`` said.
    """
    frames = getattr(picture, "n_frames", 1)
    if picture.format == "AVIF" or (frames == 1 and deep):
        found = _decoded(source, str(picture.format), picture.size, picture.width * picture.height)
        if len(found) == frames:
            return [images.as_floats(frame, hdr)[..., :3] for frame in found]
    return None


def has_16_bits(picture: Pillow.Image) -> bool:
    """Whether RGB lies in the file in 16 bits, of which Pillow keeps the upper 8. Asked before pixels are decoded."""
    tiles = getattr(picture, "tile", None)
    if picture.format not in ("PNG", "TIFF") or not tiles or picture.mode not in ("RGB", "RGBA", "LA"):
        return False
    arguments = tiles[0].args
    raw = arguments if isinstance(arguments, str) else arguments[0] if arguments else ""
    return ";16" in str(raw)


def _decoded(
    source: Path | bytes, kind: str, size: tuple[int, int] | None, max_pixels: int
) -> list[colour.DecodedPicture]:
    """Each frame of this size; none where FFmpeg cannot read the file."""
    file = io.BytesIO(source) if isinstance(source, bytes) else str(source)
    try:
        with av.open(file, options={"format_whitelist": _FORMATS[kind]}) as container:
            tracks = [t for t in container.streams.video if t.codec_context is not None]
            whole = [t for t in tracks if size in (None, (t.width, t.height)) and not _is_tile(t)]
            if not whole and size is not None:
                return _joined(container, [t for t in tracks if _is_tile(t)], size)
            if not whole or whole[0].width * whole[0].height > max_pixels:
                return []
            return list(_pictures(container, max(whole, key=lambda t: t.frames)))
    except (av.FFmpegError, InputInvalid):
        return []


def _is_tile(track: Any) -> bool:
    return bool(track.disposition & Disposition.dependent)


def _pictures(container: Any, track: Any) -> Iterator[colour.DecodedPicture]:
    to_rgb = colour.ToRgb(track.codec.canonical_name)
    for frame in container.decode(track):
        yield to_rgb.picture(frame, (frame.width, frame.height))


def _joined(container: Any, tiles: list[Any], size: tuple[int, int]) -> list[colour.DecodedPicture]:
    """The picture of this size that tiles in rows make; none where there are fewer or more than it takes."""
    width, height = size
    if not tiles or len({(t.width, t.height) for t in tiles}) > 1:
        return []
    columns, rows = -(-width // tiles[0].width), -(-height // tiles[0].height)
    if columns * rows != len(tiles):
        return []
    parts = []
    for tile in tiles:
        container.seek(0)
        parts += list(_pictures(container, tile))
    if len(parts) != len(tiles):
        return []
    levels = [np.concatenate([p.levels for p in parts[at : at + columns]], 1) for at in range(0, len(parts), columns)]
    return [replace(parts[0], levels=np.ascontiguousarray(np.concatenate(levels)[:height, :width]))]
