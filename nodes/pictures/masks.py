"""Operations on masks: float32[batch, height, width], values 0..1."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def combine(destination: Tensor, source: Tensor, x_px: int, y_px: int, operation: str) -> Tensor:
    """``source`` combined with ``destination`` where it lies at (x, y): multiply, add, subtract, and, or, xor.

    The logical operations round both to 0 or 1 first. The result is clamped to 0..1.
    """
    out = destination.clone()
    under = out[:, y_px : y_px + source.shape[1], x_px : x_px + source.shape[2]]
    over = source[:, : under.shape[1], : under.shape[2]]
    if operation == "multiply":
        result = under * over
    elif operation == "add":
        result = under + over
    elif operation == "subtract":
        result = under - over
    else:
        logical = {"and": torch.logical_and, "or": torch.logical_or, "xor": torch.logical_xor}[operation]
        result = logical(under.round(), over.round()).float()
    under.copy_(result)
    return out.clamp(0.0, 1.0)


def feather(values: Tensor, left: int, top: int, right: int, bottom: int) -> Tensor:
    """Linear ramps over so many pixels at each side, from 1 / n at the border to 1."""
    height, width = values.shape[-2:]
    for ramp in (_ramp(width, left), _ramp(width, right).flip(0)):
        values = values * ramp
    for ramp in (_ramp(height, top), _ramp(height, bottom).flip(0)):
        values = values * ramp[:, None]
    return values


def _ramp(length: int, rise: int) -> Tensor:
    rise = min(rise, length)
    ramp = torch.ones(length, dtype=torch.float64)
    ramp[:rise] = torch.arange(1, rise + 1) / max(rise, 1)
    return ramp.float()


def grow(values: Tensor, steps_px: int, *, tapered_corners: bool) -> Tensor:
    """Dilate by so many pixels, or erode where negative; one pixel a step, by a plus (tapered) or a square."""
    import scipy.ndimage  # slow to import, and most masks are never grown

    footprint = np.ones((3, 3), dtype=bool)
    if tapered_corners:
        footprint[::2, ::2] = False
    step = scipy.ndimage.grey_dilation if steps_px > 0 else scipy.ndimage.grey_erosion
    # Beyond the mask's longer side further steps change nothing.
    count = min(abs(steps_px), sum(values.shape[-2:]))
    grown = values.numpy()
    for _ in range(count):
        grown = step(grown, footprint=footprint[None])
    return torch.from_numpy(grown)


def of_color(pixels: Tensor, color: int) -> Tensor:
    """1 where the picture rounds to the colour 0xRRGGBB, else 0."""
    levels = (pixels[..., :3].clamp(0, 1) * 255.0).round().to(torch.int32)
    wanted = torch.tensor([color >> 16 & 0xFF, color >> 8 & 0xFF, color & 0xFF], dtype=torch.int32)
    return (levels == wanted).all(-1).float()
