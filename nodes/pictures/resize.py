"""Resizing pictures and masks, with the same rounding and filters as ComfyUI."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image as Pillow
from torch import Tensor
from torch.nn import functional

from engine.errors import InputInvalid
from nodes.pictures import batch


def to_size(pixels: Tensor, width_px: int, height_px: int, method: str, *, crop: bool = False) -> Tensor:
    """Resize float32[batch, height, width, channels].

    ``method``: nearest-exact, bilinear, area, bicubic (torch's, without antialiasing) or lanczos (Pillow's, which
    rounds to 8 bits). ``crop`` first cuts the middle out, to the aspect ratio of the new size. Raises ``InputInvalid``
    for a size of nothing.
    """
    if width_px < 1 or height_px < 1:
        raise InputInvalid(
            f"a picture cannot be resized to {width_px}x{height_px} pixels", remedy="both sides need at least 1 pixel"
        )
    if crop:
        pixels = crop_to_aspect(pixels, width_px / height_px)
    if method == "lanczos":
        return _lanczos(pixels, width_px, height_px)
    planes = pixels.movedim(-1, 1)
    return functional.interpolate(planes, size=(height_px, width_px), mode=method).movedim(1, -1)


def mask_to_size(
    values: Tensor, width_px: int, height_px: int, method: str = "bilinear", *, crop: bool = False
) -> Tensor:
    """Resize float32[batch, height, width]; see :func:`to_size`."""
    return to_size(values.unsqueeze(-1), width_px, height_px, method, crop=crop).squeeze(-1)


def joined(batches: Sequence[Tensor]) -> Tensor:
    """One batch of them all; cropped and resized (bilinear) to the first's size, a missing alpha opaque."""
    height, width = batches[0].shape[1:3]
    channels = max(pixels.shape[-1] for pixels in batches)
    alike = [batch.opaque(pixels, channels) for pixels in batches]
    return torch.cat(
        [p if p.shape[1:3] == (height, width) else to_size(p, width, height, "bilinear", crop=True) for p in alike]
    )


def crop_to_aspect(pixels: Tensor, aspect: float) -> Tensor:
    """The middle of the pictures, as large as fits, with width / height near ``aspect``."""
    height, width = pixels.shape[1:3]
    own = width / height
    x = min(round((width - width * (aspect / own)) / 2), (width - 1) // 2) if own > aspect else 0
    y = min(round((height - height * (own / aspect)) / 2), (height - 1) // 2) if own < aspect else 0
    return pixels[:, y : height - y, x : width - x]


def fit_side(sides: tuple[int, int], longest_px: int) -> tuple[int, int]:
    """(width, height) in the aspect ratio of ``sides``, the longer one ``longest_px``."""
    width, height = sides
    if width >= height:
        return longest_px, round(height / width * longest_px) if width > height else longest_px
    return round(width / height * longest_px), longest_px


def _lanczos(pixels: Tensor, width_px: int, height_px: int) -> Tensor:
    levels = (pixels * 255.0).clamp(0, 255).nan_to_num(0.0).to(torch.uint8).numpy()
    if levels.shape[-1] == 1:
        levels = levels[..., 0]
    resized = [
        np.asarray(Pillow.fromarray(picture).resize((width_px, height_px), Pillow.Resampling.LANCZOS), dtype=np.float32)
        for picture in levels
    ]
    result = torch.from_numpy(np.stack(resized) / np.float32(255.0))
    return result.reshape(len(resized), height_px, width_px, pixels.shape[-1])
