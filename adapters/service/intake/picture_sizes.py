"""The size of a picture and whether all of it is there, read off its headers: not a pixel is decoded.

Each reader takes the file's bytes (mapped, not loaded) and returns width and height in pixels, of the largest frame
where frames differ. Raises ``BrokenPicture`` where the file ends early or makes no sense.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import count
from mmap import mmap

_MAX_PARTS = 200_000
_MAX_EXTENTS = 1000
_MAX_BLOCKS = 4_000_000  # 1 GB of a GIF's blocks, as encoders fill them
_JPEG_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_JPEG_BARE = frozenset({0x01, *range(0xD0, 0xD9)})
Bytes = bytes | mmap


class BrokenPicture(Exception):
    """What is wrong with the picture, as half a sentence after "it"."""


def png_size(data: Bytes) -> tuple[int, int]:
    """By the IHDR chunk; all chunks up to IEND must be there."""
    if data[12:16] != b"IHDR":
        raise BrokenPicture("has no PNG header")
    width_px, height_px = _unpack(">II", data, 16)
    at = 8
    for _ in range(_MAX_PARTS):
        (length,) = _unpack(">I", data, at)
        if data[at + 4 : at + 8] == b"IEND":
            _need(data, at + 12)
            return width_px, height_px
        at += 12 + length
    raise BrokenPicture("has too many parts")


def jpeg_size(data: Bytes) -> tuple[int, int]:
    """By the frame header; the end-of-image marker must come after the scan's start."""
    size: tuple[int, int] | None = None
    at = 2
    for _ in range(_MAX_PARTS):
        marker_start, marker = _unpack(">BB", data, at)
        if marker_start != 0xFF:
            raise BrokenPicture("is damaged")
        if marker == 0xFF or marker in _JPEG_BARE:
            at += 1 if marker == 0xFF else 2
            continue
        (length,) = _unpack(">H", data, at + 2)
        if marker in _JPEG_FRAMES:
            height_px, width_px = _unpack(">HH", data, at + 5)
            size = width_px, height_px
        elif marker == 0xDA:
            if size is None:
                raise BrokenPicture("has no JPEG frame header")
            if data.rfind(b"\xff\xd9", at) < 0:
                raise BrokenPicture("stops half way")
            return size
        elif marker == 0xD9:
            break
        at += 2 + max(length, 2)
    raise BrokenPicture("has no picture data")


def webp_size(data: Bytes) -> tuple[int, int]:
    """By the first chunk: lossy, lossless, or extended."""
    (length,) = _unpack("<I", data, 4)
    if length + 8 > len(data):
        raise BrokenPicture("stops half way")
    form = data[12:16]
    if form == b"VP8X":
        _need(data, 30)
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if form == b"VP8L" and data[20:21] == b"\x2f":
        (bits,) = _unpack("<I", data, 21)
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if form == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = _unpack("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    raise BrokenPicture("has no WebP header")


def gif_size(data: Bytes) -> tuple[int, int]:
    """The screen's, or a frame's that sticks out of it. All blocks of a frame must be there, the trailer need not."""
    width_px, height_px, flags = _unpack("<HHB", data, 6)
    at = 13 + _colour_table_bytes(flags)
    frames = 0
    blocks = count(1)
    for _ in range(_MAX_PARTS):
        if at >= len(data) and frames:
            return width_px, height_px
        (kind,) = _unpack("<B", data, at)
        if kind == 0x3B and frames:
            return width_px, height_px
        if kind == 0x21:
            at = _after_blocks(data, at + 2, blocks)
        elif kind == 0x2C:
            left, top, width, height, flags = _unpack("<HHHHB", data, at + 1)
            width_px, height_px = max(width_px, left + width), max(height_px, top + height)
            at = _after_blocks(data, at + 11 + _colour_table_bytes(flags), blocks)
            frames += 1
        else:
            raise BrokenPicture("is damaged")
    raise BrokenPicture("has too many parts")


def bmp_size(data: Bytes) -> tuple[int, int]:
    """By the bitmap header, of OS/2 or Windows; heights below zero stand for rows from top to bottom."""
    (header_bytes,) = _unpack("<I", data, 14)
    width_px, height_px = _unpack("<HH" if header_bytes == 12 else "<ii", data, 18)
    return width_px, abs(height_px)


def tiff_size(data: Bytes) -> tuple[int, int]:
    """By the first directory's ImageWidth (256) and ImageLength (257)."""
    order = "<" if data[:1] == b"I" else ">"
    (at,) = _unpack(order + "I", data, 4)
    (entries,) = _unpack(order + "H", data, at)
    found: dict[int, int] = {}
    for entry in range(at + 2, at + 2 + 12 * entries, 12):
        tag, form = _unpack(order + "HH", data, entry)
        if tag in (256, 257):
            (found[tag],) = _unpack(order + ("H" if form == 3 else "I"), data, entry + 8)
    if len(found) < 2:
        raise BrokenPicture("does not say how large it is")
    return found[256], found[257]


def avif_size(data: Bytes) -> tuple[int, int]:
    """By its largest "image spatial extents" property; all boxes must be there."""
    _check_boxes(data)
    sizes: list[tuple[int, ...]] = []
    at = data.find(b"ispe")
    while at >= 0 and len(sizes) < _MAX_EXTENTS:
        sizes.append(_unpack(">II", data, at + 8))
        at = data.find(b"ispe", at + 4)
    if not sizes:
        raise BrokenPicture("does not say how large it is")
    width_px, height_px = max(sizes, key=lambda size: size[0] * size[1])
    return width_px, height_px


def _check_boxes(data: Bytes) -> None:
    """All boxes must be there, one with the coded picture among them (in a box of its own, or inside another)."""
    at = 0
    kinds = set()
    for _ in range(_MAX_PARTS):
        if at >= len(data):
            break
        (length,) = _unpack(">I", data, at)
        kinds.add(bytes(data[at + 4 : at + 8]))
        if length == 1:
            (length,) = _unpack(">Q", data, at + 8)
        if length < 8 and length != 0:
            raise BrokenPicture("is damaged")
        at = at + length if length else len(data)
    if at != len(data) or (b"mdat" not in kinds and data.find(b"idat") < 0):
        raise BrokenPicture("stops half way")


def _colour_table_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _after_blocks(data: Bytes, at: int, blocks: Iterator[int]) -> int:
    while next(blocks) < _MAX_BLOCKS:
        _need(data, at + 1)
        length = data[at]
        at += 1 + length
        if not length:
            return at
    raise BrokenPicture("has too many parts")


def _unpack(form: str, data: Bytes, at: int) -> tuple[int, ...]:
    _need(data, at + struct.calcsize(form))
    return struct.unpack_from(form, data, at)


def _need(data: Bytes, length: int) -> None:
    if length > len(data):
        raise BrokenPicture("stops half way")
