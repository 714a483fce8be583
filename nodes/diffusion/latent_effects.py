"""Operations on single latents that sharpen them or tame their extremes, for use in or between sampling steps."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.errors import InputInvalid
from nodes.diffusion.latents import frame_by_frame


def sharpen(latent: Tensor, radius: int, sigma: float, alpha: float) -> Tensor:
    """Unsharp masking of the directions of the channel vectors; their lengths stay.

    ``radius``: of the Gaussian, in latent pixels; ``sigma``: its width, in radii; ``alpha``: strength.
    """
    if radius >= min(latent.shape[-2:]):
        raise InputInvalid(
            f"a radius of {radius} does not fit into a latent of {latent.shape[-1]} x {latent.shape[-2]}",
            input="sharpen_radius",
            remedy="make it smaller than an eighth of the picture's shorter side",
        )
    if latent.ndim > 4:
        return frame_by_frame(latent, lambda frames: sharpen(frames, radius, sigma, alpha))
    length = torch.linalg.vector_norm(latent, dim=1, keepdim=True) + 1e-6
    channels = latent.shape[1]
    kernel = _gaussian(2 * radius + 1, sigma) * alpha * -10
    kernel[radius, radius] += 1.0 - kernel.sum()
    padded = F.pad(latent / length, (radius,) * 4, "reflect")
    sharper: Tensor = length * F.conv2d(padded, kernel.to(latent).expand(channels, 1, -1, -1), groups=channels)
    return sharper


def _gaussian(size: int, sigma: float) -> Tensor:
    axis = torch.linspace(-1, 1, size)
    bell = torch.exp(-(axis[:, None] ** 2 + axis**2) / (2 * sigma**2))
    return bell / bell.sum()


def tonemap_reinhard(latent: Tensor, multiplier: float) -> Tensor:
    """Compress the lengths of the channel vectors towards 5 standard deviations above their mean.

    Reinhard et al. 2002, "Photographic tone reproduction for digital images", doi:10.1145/566654.566575, equation 3.
    """
    length = torch.linalg.vector_norm(latent, dim=1, keepdim=True) + 1e-10
    mean, deviation = (f(length, dim=tuple(range(1, latent.ndim)), keepdim=True) for f in (torch.mean, torch.std))
    top = (deviation * 5 + mean) * multiplier
    relative = length / top
    compressed: Tensor = latent / length * (relative / (relative + 1) * top)
    return compressed
