"""Filters that look at a pixel's neighbours: blur, sharpen, morphology, edges."""

from __future__ import annotations

import kornia
import torch
from torch import Tensor
from torch.nn import functional

from engine.errors import InputInvalid


def blur(pixels: Tensor, radius_px: int, sigma: float) -> Tensor:
    """Gaussian blur, mirrored at the borders. ``sigma`` counts in radii: the kernel reaches from -1 to 1."""
    return _convolve(pixels, _gaussian(radius_px, sigma), radius_px)


def sharpen(pixels: Tensor, radius_px: int, sigma: float, alpha: float) -> Tensor:
    """Unsharp mask: the difference to a Gaussian blur (see :func:`blur`) added ``alpha`` * 10 times; 0..1."""
    kernel = _gaussian(radius_px, sigma) * -(alpha * 10)
    kernel[radius_px, radius_px] += 1.0 - kernel.sum()
    return _convolve(pixels, kernel, radius_px).clamp(0, 1)


def morph(pixels: Tensor, operation: str, kernel_px: int) -> Tensor:
    """Greyscale morphology with a square: erode, dilate, open, close, gradient, bottom_hat or top_hat."""
    names = {"erode": "erosion", "dilate": "dilation", "open": "opening", "close": "closing"}
    operate = getattr(kornia.morphology, names.get(operation, operation))
    out: Tensor = operate(pixels.movedim(-1, 1), torch.ones(kernel_px, kernel_px)).movedim(1, -1)
    return out


def edges(pixels: Tensor, low: float, high: float) -> Tensor:
    """Edges (1) on black (0), RGB, after J. Canny (1986); thresholds 0..1 of the gradient's magnitude."""
    if low > high:
        raise InputInvalid(f"low_threshold {low} is above high_threshold {high}", input="low_threshold")
    _, found = kornia.filters.canny(pixels[..., :3].movedim(-1, 1), low, high)
    out: Tensor = found.repeat(1, 3, 1, 1).movedim(1, -1)
    return out


def _gaussian(radius_px: int, sigma: float) -> Tensor:
    axis = torch.linspace(-1, 1, radius_px * 2 + 1)
    distance = torch.sqrt(axis[:, None] * axis[:, None] + axis[None, :] * axis[None, :])
    weights = torch.exp(-(distance * distance) / (2.0 * sigma * sigma))
    return weights / weights.sum()


def _convolve(pixels: Tensor, kernel: Tensor, radius_px: int) -> Tensor:
    height, width, channels = pixels.shape[1:]
    if radius_px >= min(height, width):
        raise InputInvalid(
            f"radius {radius_px} is too large for a picture of {width}x{height} pixels",
            remedy="the radius must be smaller than both sides",
        )
    padded = functional.pad(pixels.movedim(-1, 1), (radius_px,) * 4, "reflect")
    weights = kernel.repeat(channels, 1, 1).unsqueeze(1)
    return functional.conv2d(padded, weights, groups=channels).movedim(1, -1)
