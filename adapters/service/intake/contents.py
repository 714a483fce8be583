"""Checks what an input file holds before any of it is decoded."""

from __future__ import annotations

import json
import mmap
from collections.abc import Callable
from pathlib import Path

from adapters.service.intake.errors import InputRefused, InputTooLarge
from adapters.service.intake.kinds import (
    AVIF,
    BMP,
    GIF,
    HEAD_BYTES,
    HEIC,
    JPEG,
    PNG,
    SAFETENSORS,
    TIFF,
    WEBP,
    Kind,
    kind_of,
    refusal_of,
)
from adapters.service.intake.picture_sizes import (
    BrokenPicture,
    Bytes,
    avif_size,
    bmp_size,
    gif_size,
    jpeg_size,
    png_size,
    tiff_size,
    webp_size,
)

_SIZE_READERS: dict[Kind, Callable[[Bytes], tuple[int, int]]] = {
    PNG: png_size,
    JPEG: jpeg_size,
    WEBP: webp_size,
    GIF: gif_size,
    BMP: bmp_size,
    TIFF: tiff_size,
    AVIF: avif_size,
    HEIC: avif_size,
}
_MAX_HEADER_BYTES = 2**20  # some 10,000 tensors; as JSON, larger ones take much memory


def check_contents(name: str, path: Path, max_pixels: int) -> Kind:
    """What the file is. Raises ``InputRefused`` for what no node loads, and for pictures that are cut off or too large.

    Only headers are read, so it takes little time and memory whatever the file claims to be.
    """
    with open(path, "rb") as file:
        head = file.read(HEAD_BYTES)
    if not head:
        raise InputRefused(name, "it is empty")
    kind = kind_of(head)
    if kind is None:
        raise InputRefused(name, refusal_of(head), remedy="convert it, for example to PNG, MP4, FLAC or safetensors")
    if kind in _SIZE_READERS:
        width_px, height_px = _size(name, path, kind)
        if width_px < 1 or height_px < 1:
            raise InputRefused(name, "it has no pixels")
        _check_pixels(name, width_px, height_px, max_pixels)
    elif kind is SAFETENSORS:
        _check_safetensors(name, path)
    return kind


def check_picture(name: str, path: Path, max_pixels: int) -> None:
    """Raise ``InputTooLarge`` for a picture of too many pixels; whatever else the file is or lacks is not looked at."""
    with open(path, "rb") as file:
        kind = kind_of(file.read(HEAD_BYTES))
    if kind in _SIZE_READERS:
        try:
            width_px, height_px = _size(name, path, kind)
        except InputRefused:  # whoever reads it says what is wrong with it
            return
        _check_pixels(name, width_px, height_px, max_pixels)


def _check_pixels(name: str, width_px: int, height_px: int, max_pixels: int) -> None:
    if width_px * height_px > max_pixels:
        raise InputTooLarge(
            name,
            f"its {width_px}x{height_px} pixels are more than {max_pixels / 1e6:g} megapixels",
            remedy="make it smaller, or raise DAGFUSION_MAX_MEGAPIXELS",
        )


def _size(name: str, path: Path, kind: Kind) -> tuple[int, int]:
    try:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _SIZE_READERS[kind](data)
    except BrokenPicture as error:
        raise InputRefused(name, f"it {error}", remedy="is this the whole file?") from error


def _check_safetensors(name: str, path: Path) -> None:
    """The header must be JSON, and every tensor that it lists inside the file."""
    size_bytes = path.stat().st_size
    with open(path, "rb") as file:
        header_bytes = int.from_bytes(file.read(8), "little")
        if header_bytes > min(size_bytes - 8, _MAX_HEADER_BYTES):
            raise InputRefused(name, "its safetensors header is cut off or too long", remedy="is this the whole file?")
        try:
            header = json.loads(file.read(header_bytes))
            ends = [int(entry["data_offsets"][1]) for key, entry in header.items() if key != "__metadata__"]
        except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
            raise InputRefused(name, "its safetensors header is damaged") from error
    if max(ends, default=0) > size_bytes - 8 - header_bytes:
        raise InputRefused(name, "it stops half way", remedy="is this the whole file?")
