"""JPEG XL by libjxl (``imagecodecs``): any depth, alpha, animations; sizes are read before anything is decoded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from engine.errors import InputInvalid

_BARE, _BOXED = b"\xff\x0a", b"\x00\x00\x00\x0cJXL \r\n\x87\n"
_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}
WITHOUT = "install the extra 'jxl' (pip install 'dagfusion[jxl]'), or convert the picture to PNG or JPEG"


def is_jxl(head: bytes) -> bool:
    """Whether a file that starts so is JPEG XL."""
    return head.startswith((_BARE, _BOXED))


def read(file: BinaryIO, name: str, max_pixels: int) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """Each frame, upright: float32[height, width, 3], and float32[height, width] where it has alpha.

    Raises ``InputInvalid`` where it has too many pixels, or where libjxl is not installed; ``ValueError`` for a damaged
    file.
    """
    try:
        import imagecodecs
    except ImportError as error:
        raise InputInvalid(f"{name} is JPEG XL, which imagecodecs reads", input="image", remedy=WITHOUT) from error

    data = file.read()
    width, height = size(data)
    if width * height > max_pixels:
        raise InputInvalid(
            f"{name} ({width}x{height}) has more than {max_pixels:,} pixels", input="image", remedy="make it smaller"
        )
    try:
        levels = imagecodecs.jpegxl_decode(data)
    except imagecodecs.JpegxlError as error:
        raise ValueError(str(error)) from error
    white = 1.0 if levels.dtype.kind == "f" else float(np.iinfo(levels.dtype).max)
    for frame in _frames(levels, (height, width)):
        pixels = frame.astype(np.float32) / np.float32(white)
        colours = pixels[..., :3] if pixels.shape[2] > 2 else np.repeat(pixels[..., :1], 3, axis=2)
        yield colours, pixels[..., -1] if pixels.shape[2] in (2, 4) else None


def _frames(levels: np.ndarray, shape: tuple[int, int]) -> Iterator[np.ndarray]:
    """Each [height, width, channels] of [frames, height, width, channels], with dimensions of 1 left out."""
    turned = shape[::-1]
    if levels.ndim == 2 or (levels.ndim == 3 and levels.shape[0] not in (shape[0], turned[0])):
        levels = levels[..., None]
    yield from levels if levels.ndim == 4 else levels[None]


def size(data: bytes) -> tuple[int, int]:
    """(width, height) by the code stream's header (ISO/IEC 18181-1). Raises ``ValueError`` where there is none."""
    stream = data if data.startswith(_BARE) else _code_stream(data)
    bits = _Bits(stream[2:18])
    small = bits.take(1)
    height = (bits.take(5) + 1) * 8 if small else bits.length()
    ratio = bits.take(3)
    if ratio:
        across, down = _RATIOS[ratio]
        return height * across // down, height
    return (bits.take(5) + 1) * 8 if small else bits.length(), height


def _code_stream(data: bytes) -> bytes:
    """What lies in the first ``jxlc`` or ``jxlp`` box."""
    at = 0
    while at + 16 <= len(data):
        box, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        start = at + (16 if box == 1 else 8)
        box = int.from_bytes(data[at + 8 : at + 16], "big") if box == 1 else box
        if kind in (b"jxlc", b"jxlp"):
            return data[start + (4 if kind == b"jxlp" else 0) :][:64]
        if box < 8:
            break
        at += box
    raise ValueError("it has no code stream")


class _Bits:
    """Bits from the lowest of each byte on."""

    def __init__(self, data: bytes) -> None:
        if len(data) < 8:
            raise ValueError("its header is cut off")
        self._value = int.from_bytes(data, "little")

    def take(self, count: int) -> int:
        """The next ``count`` bits as a number."""
        taken = self._value & ((1 << count) - 1)
        self._value >>= count
        return taken

    def length(self) -> int:
        """A side in pixels."""
        return self.take((9, 13, 18, 30)[self.take(2)]) + 1
