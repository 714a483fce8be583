"""Colours of pictures: blending two of them, luma and chroma, palettes. Values 0..1."""

from __future__ import annotations

import kornia
import numpy as np
import torch
from PIL import Image as Pillow
from torch import Tensor

from nodes.pictures import batch, resize


def blend(first: Tensor, second: Tensor, factor: float, mode: str) -> Tensor:
    """``second`` blended over ``first`` with weight ``factor``; it is cropped and resized to the first's size.

    Both float32[batch, height, width, channels]. ``soft_light`` is the W3C compositing draft's formula.
    """
    second = batch.same_channels(second, first)
    if second.shape[1:3] != first.shape[1:3]:
        second = resize.to_size(second, first.shape[2], first.shape[1], "bicubic", crop=True)
    count = max(len(first), len(second))
    a, b = batch.fit_batch(first, count), batch.fit_batch(second, count)
    return (a * (1 - factor) + _blended(a, b, mode) * factor).clamp(0, 1)


def _blended(a: Tensor, b: Tensor, mode: str) -> Tensor:
    if mode == "multiply":
        return a * b
    if mode == "screen":
        return 1 - (1 - a) * (1 - b)
    if mode == "overlay":
        return torch.where(a <= 0.5, 2 * a * b, 1 - 2 * (1 - a) * (1 - b))
    if mode == "soft_light":
        lifted = torch.where(a <= 0.25, ((16 * a - 12) * a + 4) * a, torch.sqrt(a))
        return torch.where(b <= 0.5, a - (1 - 2 * b) * a * (1 - a), a + (2 * b - 1) * (lifted - a))
    if mode == "difference":
        return a - b
    return b


def to_ycbcr(pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Luma and the two chroma planes (ITU-R BT.601), each repeated over three channels."""
    planes = kornia.color.rgb_to_ycbcr(pixels[..., :3].movedim(-1, 1)).movedim(1, -1)
    y, u, v = (planes[..., i : i + 1].expand(*pixels.shape[:3], 3) for i in range(3))
    return y, u, v


def from_ycbcr(y: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """RGB from luma and chroma pictures, whose channels are averaged."""
    planes = torch.cat([plane.mean(-1, keepdim=True) for plane in (y, u, v)], dim=-1)
    rgb: Tensor = kornia.color.ycbcr_to_rgb(planes.movedim(-1, 1)).movedim(1, -1)
    return rgb


def quantize(pixels: Tensor, colors: int, dither: str) -> Tensor:
    """Reduce each picture to its own palette (Pillow's median cut).

    ``dither``: ``none``, ``floyd-steinberg`` or ``bayer-N``, ordered dithering with an N x N matrix (B. Bayer, 1973).
    """
    levels = (pixels[..., :3] * 255).clamp(0, 255).to(torch.uint8).numpy()
    reduced = torch.from_numpy(np.stack([_reduce(picture, colors, dither) for picture in levels]))
    return reduced.float() / 255


def _reduce(levels: np.ndarray, colors: int, dither: str) -> np.ndarray:
    picture = Pillow.fromarray(levels)
    palette = picture.quantize(colors=colors)
    if dither.startswith("bayer-"):
        spread = 2 * 256 / (len(palette.getpalette() or ()) // 3)
        offsets = spread * _bayer(int(dither.removeprefix("bayer-")), levels.shape[:2]) + 0.5
        picture = Pillow.fromarray((levels + offsets[..., None]).clip(0, 255).astype(np.uint8))
    method = Pillow.Dither.FLOYDSTEINBERG if dither == "floyd-steinberg" else Pillow.Dither.NONE
    return np.asarray(picture.quantize(palette=palette, dither=method).convert("RGB"))


def _bayer(order: int, shape: tuple[int, ...]) -> np.ndarray:
    """Bayer's threshold matrix of this order, -0.5..0.5, repeated over ``shape`` (height, width)."""
    ranks = np.zeros((1, 1))
    while len(ranks) < order:
        ranks = np.kron(np.ones((2, 2)), 4 * ranks) + np.kron([[0, 2], [3, 1]], np.ones_like(ranks))
    thresholds = ((ranks + 0.5) / order**2 - 0.5).astype(np.float32)
    repeats = [-(-length // order) for length in shape]
    return np.tile(thresholds, repeats)[: shape[0], : shape[1]]
