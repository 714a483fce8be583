"""How stored pictures stand upright: turned and mirrored as a display matrix says, with square pixels."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeVar

import numpy as np

Pixels = TypeVar("Pixels", bound=Any)


@dataclass(frozen=True, slots=True)
class Orientation:
    """Rows and columns are exchanged first, then the result is mirrored left to right and top to bottom."""

    exchanged: bool = False
    mirrored_x: bool = False
    mirrored_y: bool = False

    @property
    def upright(self) -> bool:
        """Whether pictures are stored as they are shown."""
        return not (self.exchanged or self.mirrored_x or self.mirrored_y)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) as shown."""
        return (height, width) if self.exchanged else (width, height)

    def applied(self, pixels: np.ndarray) -> np.ndarray:
        """``pixels[height, width, ...]`` as they are shown: a view, nothing is copied."""
        shown = pixels.swapaxes(0, 1) if self.exchanged else pixels
        return shown[:: -1 if self.mirrored_y else 1, :: -1 if self.mirrored_x else 1]

    def filters(self) -> list[str]:
        """The same as filters of libavfilter, in their order."""
        if self.exchanged:
            directions = {
                (False, False): "cclock_flip",
                (True, False): "clock",
                (False, True): "cclock",
                (True, True): "clock_flip",
            }
            return [f"transpose={directions[self.mirrored_x, self.mirrored_y]}"]
        return ["hflip"] * self.mirrored_x + ["vflip"] * self.mirrored_y


UPRIGHT = Orientation()


def of_matrix(data: bytes | None) -> Orientation:
    """A display matrix (nine 32-bit numbers, as MP4 has them), taken to the nearest right angle."""
    if data is None or len(data) < 36:
        return UPRIGHT
    a, b, _, c, d, *_ = struct.unpack("=9i", data[:36])
    if abs(b) + abs(c) > abs(a) + abs(d):
        return Orientation(True, mirrored_x=c < 0, mirrored_y=b < 0)
    return Orientation(False, mirrored_x=a < 0, mirrored_y=d < 0)


def of_frame(frame: Any) -> Orientation:
    """What a decoded frame says of itself."""
    matrix = frame.side_data.get("DISPLAYMATRIX")
    return of_matrix(None if matrix is None else bytes(matrix))


def square_size(width: int, height: int, aspect: Fraction | None) -> tuple[int, int]:
    """(width, height) with square pixels: the height stays, the width becomes the even number next to the true one."""
    if not aspect or aspect <= 0 or aspect == 1 or not Fraction(1, 16) <= aspect <= 16:
        return width, height
    return max(2, 2 * round(width * aspect / 2)), height
