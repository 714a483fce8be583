"""Writing picture files: PNG, animated PNG and WEBP."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import torch
from PIL import Image as Pillow
from torch import Tensor

_STRIP_VALUES = 2**24  # worked on at a time, as large pictures would take several times their memory


def levels(pixels: Tensor) -> np.ndarray:
    """uint8 levels of float pixels, rounded down; what is outside 0..1 is clipped, NaN is 0."""
    made = torch.empty(pixels.shape, dtype=torch.uint8)
    rows = max(1, _STRIP_VALUES // max(1, pixels[0].numel())) if len(pixels) else 1
    for first in range(0, len(pixels), rows):
        part = slice(first, first + rows)
        made[part] = (pixels[part] * 255.0).clamp_(0, 255).nan_to_num_(0.0)
    return made.numpy()


def in_8_bits(pixels: Tensor) -> Tensor:
    """What becomes of float pixels where they go through a file of 8 bits."""
    return torch.from_numpy(levels(pixels)) / 255.0


def png(
    path: Path,
    pixels: Tensor | np.ndarray,
    compress_level: int = 4,
    check_cancelled: Callable[[], None] = lambda: None,
) -> None:
    """Write [height, width, channels], floats or uint8; ``check_cancelled`` may end that at any time."""
    with path.open("wb") as file:
        checked = cast(BinaryIO, _Checked(file, check_cancelled))
        _picture(pixels).save(checked, format="PNG", compress_level=compress_level)


class _Checked:
    """A file to write to that asks whether to go on with each piece: encoding a large picture takes a minute."""

    def __init__(self, file: BinaryIO, check: Callable[[], None]) -> None:
        self._file, self._check = file, check

    def write(self, piece: bytes) -> int:
        self._check()
        return self._file.write(piece)

    def flush(self) -> None:
        self._file.flush()


def animated_png(path: Path, pixels: Tensor, fps: float, compress_level: int) -> None:
    """Write float[frames, height, width, channels]."""
    first, *rest = [_picture(frame) for frame in pixels]
    first.save(
        path,
        format="PNG",
        compress_level=compress_level,
        save_all=True,
        duration=durations_ms(len(pixels), fps),
        append_images=rest,
    )


def gif(path: Path, pixels: Tensor, fps: float, loops: int) -> None:
    """Write float[frames, height, width, channels], shown ``loops`` times (0: for ever)."""
    first, *rest = [_picture(frame) for frame in pixels]
    # In hundredths of a second, which is all that GIFs know.
    ends = [round(number * 100 / fps) for number in range(len(pixels) + 1)]
    shown_ms = [10 * max(1, end - start) for start, end in pairwise(ends)]
    first.save(path, format="GIF", save_all=True, duration=shown_ms, append_images=rest, loop=loops, disposal=2)


def webp_loop(path: Path, pixels: Tensor, fps: float, loops: int, *, lossless: bool) -> None:
    """The same as WebP."""
    webp(path, pixels, fps, lossless=lossless, quality=80, method=4, loops=loops)


def webp(path: Path, pixels: Tensor, fps: float, *, lossless: bool, quality: int, method: int, loops: int = 0) -> None:
    """Write float[frames, height, width, channels], repeated ``loops`` times (0: for ever)."""
    first, *rest = [_picture(frame) for frame in pixels]
    first.save(
        path,
        format="WEBP",
        save_all=True,
        duration=durations_ms(len(pixels), fps),
        append_images=rest,
        lossless=lossless,
        quality=quality,
        method=method,
        loop=loops,
    )


def durations_ms(count: int, fps: float) -> list[int]:
    """How long each frame is shown, in whole milliseconds that together keep to the rate: 60 fps is 17, 16, 17 ..."""
    ends = [round(number * 1000 / fps) for number in range(count + 1)]
    return [max(1, end - start) for start, end in pairwise(ends)]


def _picture(pixels: Tensor | np.ndarray) -> Pillow.Image:
    whole = isinstance(pixels, np.ndarray) and pixels.dtype == np.uint8
    values = np.asarray(pixels) if whole else levels(torch.as_tensor(pixels))
    return Pillow.fromarray(values[..., 0] if values.shape[-1] == 1 else values)
