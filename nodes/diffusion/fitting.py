"""Brings latents and noise masks into the space that a model works in."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.errors import InputInvalid
from nodes.diffusion.inputs import repeat_batch
from nodes.latent_space import LatentSpace
from nodes.values import Latent

_MODES = {1: "linear", 2: "bilinear", 3: "trilinear"}


def fit_latent(latent: Latent, space: LatentSpace) -> Latent:
    """``latent`` in ``space``. An empty one (all zeros) is changed to fit: its channels, and its size where it knows
    for how many pixels its cells stand. A picture becomes a film of one frame where the space has frames.

    Raises ``InputInvalid`` for a latent without a batch, and for one that holds something in another space.
    """
    samples = latent.samples
    if samples.shape[0] == 0 or samples.numel() == 0:
        raise InputInvalid(
            "the latent is empty (no pictures in the batch)",
            input="latent_image",
            remedy="give a batch of at least one",
        )
    if latent.others:
        _check_parts(latent, space)
        return latent
    if not bool(samples.any()):
        samples = _empty(samples, latent.space, space)
    elif samples.shape[1] != space.channels:
        raise InputInvalid(
            f"the latent has {samples.shape[1]} channels, but the model works on {space.channels}",
            input="latent_image",
            remedy="encode the picture with the VAE of the same model family",
        )
    if space.dims == 3 and samples.ndim == 4:
        samples = samples[:, :, None]
    if samples.ndim != 2 + space.dims:
        raise InputInvalid(
            f"the latent has {samples.ndim - 2} dimensions beside its channels, but the model works on {space.dims}",
            input="latent_image",
            remedy="take an empty latent that is made for this model, or the VAE of its family",
        )
    return latent if samples is latent.samples else replace(latent, samples=samples)


def _check_parts(latent: Latent, space: LatentSpace) -> None:
    """Raises ``InputInvalid`` where a latent of several parts is not of ``space``."""
    spaces = (space, *space.others)
    if len(latent.parts) > len(spaces):
        raise InputInvalid(
            "the latent has sound beside its film, and the model draws films alone",
            input="latent_image",
            remedy="separate both, or take a model that makes sound too",
        )
    for part, own in zip(latent.parts, spaces, strict=False):
        if part.samples.shape[1] != own.channels:
            raise InputInvalid(
                f"a part of the latent has {part.samples.shape[1]} channels, but the model works on {own.channels}",
                input="latent_image",
                remedy="join a film and a sound that were made for this model",
            )


def _empty(samples: Tensor, made_in: LatentSpace | None, space: LatentSpace) -> Tensor:
    """Zeros for the same pictures."""
    shape = [samples.shape[0], space.channels, *samples.shape[2:]]
    if made_in is not None and made_in.factors[2] != space.factors[2] and samples.ndim > 3:
        ratio = made_in.factors[2] / space.factors[2]
        shape[-2:] = [max(1, round(side * ratio)) for side in samples.shape[-2:]]
    return samples if list(samples.shape) == shape else samples.new_zeros(shape)


def fit_noise_mask(mask: Tensor, shape: torch.Size) -> Tensor:
    """A noise mask of any size as float32[batch, channels, *grid] of ``shape``, linearly resized.

    Of a film's it has one picture a frame, or is [batch, 1 or channels, *grid] itself.
    """
    dims = len(shape) - 2
    mask = mask.float()
    if dims == 2:
        mask = mask.reshape(-1, 1, *mask.shape[-2:])
    elif dims == 3 and mask.ndim < 5:
        mask = mask.reshape(1, 1, -1, *mask.shape[-2:])
    mask = F.interpolate(mask, size=tuple(shape[2:]), mode=_MODES[dims])
    if mask.shape[1] < shape[1]:
        mask = mask.repeat(1, -(-shape[1] // mask.shape[1]), *(1,) * dims)[:, : shape[1]]
    return repeat_batch(mask, shape[0])
