"""Writing picture files: PNG, animated PNG and WEBP."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image as Pillow
from torch import Tensor


def levels(pixels: Tensor) -> np.ndarray:
    """uint8 levels of float pixels, rounded down; what is outside 0..1 is clipped, NaN is 0."""
    return (pixels * 255.0).clamp(0, 255).nan_to_num(0.0).to(torch.uint8).numpy()


def png(path: Path, pixels: Tensor, compress_level: int = 4) -> None:
    """Write float[height, width, channels]."""
    _picture(pixels).save(path, format="PNG", compress_level=compress_level)


def animated_png(path: Path, pixels: Tensor, fps: float, compress_level: int) -> None:
    """Write float[frames, height, width, channels]."""
    first, *rest = [_picture(frame) for frame in pixels]
    first.save(
        path,
        format="PNG",
        compress_level=compress_level,
        save_all=True,
        duration=int(1000.0 / fps),
        append_images=rest,
    )


def webp(path: Path, pixels: Tensor, fps: float, *, lossless: bool, quality: int, method: int) -> None:
    """Write float[frames, height, width, channels], endlessly repeated."""
    first, *rest = [_picture(frame) for frame in pixels]
    first.save(
        path,
        format="WEBP",
        save_all=True,
        duration=int(1000.0 / fps),
        append_images=rest,
        lossless=lossless,
        quality=quality,
        method=method,
    )


def _picture(pixels: Tensor) -> Pillow.Image:
    values = levels(pixels)
    return Pillow.fromarray(values[..., 0] if values.shape[-1] == 1 else values)
