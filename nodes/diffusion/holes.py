"""Pictures with a hole that is to be painted anew: cut to the latent grid, the hole in grey, its mask grown."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.errors import InputInvalid
from nodes.diffusion.inputs import repeat_batch
from nodes.latent_space import PIXELS_PER_LATENT

GREY = 0.5


def cut_hole(pixels: Tensor, mask: Tensor, multiple_px: int = PIXELS_PER_LATENT) -> tuple[Tensor, Tensor]:
    """The picture with grey where ``mask`` is 1, and the mask at the picture's size.

    ``pixels``: float[batch, height, width, channels]; ``mask``: float[batch, h, w], any size. Both come back cut
    centrally to multiples of ``multiple_px``, the mask as float32[batch, 1, height, width].
    """
    height, width = pixels.shape[1:3]
    if min(height, width) < multiple_px:
        least = f"{multiple_px} x {multiple_px} is the least"
        raise InputInvalid(f"a picture of {width} x {height} is too small", input="pixels", remedy=least)
    mask = F.interpolate(mask.reshape(-1, 1, *mask.shape[-2:]).float(), size=(height, width), mode="bilinear")
    rows, columns = _multiple(height, multiple_px), _multiple(width, multiple_px)
    pixels, mask = pixels[:, rows, columns, :3], mask[..., rows, columns]
    keep = repeat_batch(1.0 - mask.round(), pixels.shape[0])[:, 0, :, :, None]
    return (pixels - GREY) * keep + GREY, mask


def crop_to_grid(pixels: Tensor) -> Tensor:
    """The picture, float[batch, height, width, channels], cut centrally to multiples of 8 pixels."""
    return pixels[:, _multiple(pixels.shape[1]), _multiple(pixels.shape[2])]


def _multiple(side_px: int, multiple_px: int = PIXELS_PER_LATENT) -> slice:
    length = side_px // multiple_px * multiple_px
    start = (side_px - length) // 2
    return slice(start, start + length)


def grow(mask: Tensor, by_px: int) -> Tensor:
    """The rounded mask with everything set that has a set pixel within a square of ``by_px``; same size."""
    height, width = mask.shape[-2:]
    if by_px == 0:
        return mask.round()
    square = torch.ones(1, 1, by_px, by_px)
    grown = F.conv2d(mask.round(), square, padding=math.ceil((by_px - 1) / 2)).clamp(0, 1)
    return grown[..., :height, :width].round()
