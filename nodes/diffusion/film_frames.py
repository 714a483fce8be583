"""Clips at the size and length of the film that is to be drawn, encoded or as masks."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.context import Context
from engine.errors import InputInvalid
from nodes.diffusion import vae as vaes
from nodes.diffusion.latents import resize
from nodes.values import Vae

GREY = 0.5


def framed(pixels: Tensor, width: int, height: int, length: int, *, input: str, method: str = "bilinear") -> Tensor:
    """The first ``length`` frames at this size, cut to its aspect: float32[frames, height, width, channels].

    Raises ``InputInvalid`` (``input``) for a clip without frames.
    """
    if not len(pixels):
        raise InputInvalid("the clip has no frame", input=input, remedy="give at least one picture")
    return resize(pixels[:length].movedim(-1, 1), width, height, method, crop=True).movedim(1, -1)


def encoded(ctx: Context, vae: Vae, pixels: Tensor) -> Tensor:
    """The latent of a clip, without its alpha channel: float32[1, channels, *grid]."""
    return vaes.encode(ctx, vae, pixels[..., :3])


def framed_and_encoded(
    ctx: Context, vae: Vae, pixels: Tensor, width: int, height: int, length: int, *, input: str
) -> Tensor:
    """The latent of a clip at this size; see :func:`framed` and :func:`encoded`."""
    return encoded(ctx, vae, framed(pixels, width, height, length, input=input))


def filled(pixels: Tensor, length: int, value: float) -> Tensor:
    """``pixels``, [frames, ...], with frames of ``value`` behind them up to ``length``."""
    missing = length - pixels.shape[0]
    return F.pad(pixels, (*(0, 0) * (pixels.ndim - 1), 0, missing), value=value) if missing > 0 else pixels


def laid_over(latent: Tensor, part: Tensor, first_channel: int) -> Tensor:
    """``latent`` with ``part`` for some of its channels, for as many steps in time as that has."""
    latent = latent.clone()
    steps = min(part.shape[2], latent.shape[2])
    latent[:, first_channel : first_channel + part.shape[1], :steps] = part[:, :, :steps]
    return latent


def by_steps(mask: Tensor, per_step: int) -> Tensor:
    """A mask of each frame, [1, 1, steps x per_step, h, w], as [1, per_step, steps, h, w]."""
    return torch.unflatten(mask[:, 0], 1, (-1, per_step)).transpose(1, 2)
