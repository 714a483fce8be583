"""Batches of latents cut anew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import torch
import torch.nn.functional as F
from torch import Tensor

from nodes.diffusion.inputs import repeat_batch
from nodes.latent_space import PIXELS_PER_LATENT
from nodes.values import Latent


def rebatch(latents: Sequence[Latent], batch_size: int) -> list[Latent]:
    """All latents in their order in batches of ``batch_size``; neighbours of one size share batches.

    Each keeps the noise that it would have got in one large batch, and its mask; masks that keep nothing are dropped.
    """
    parts = list(_with_all_fields(latents))
    result = []
    for _, group in groupby(parts, key=lambda part: part[0].shape[1:]):
        run = list(group)
        samples, masks = torch.cat([part[0] for part in run]), torch.cat([part[1] for part in run])
        index = [place for part in run for place in part[2]]
        for start in range(0, samples.shape[0], batch_size):
            chosen = slice(start, start + batch_size)
            mask = masks[chosen]
            keeps = bool((mask != 1).any())
            result.append(Latent(samples[chosen], mask if keeps else None, tuple(index[chosen])))
    return result


def _with_all_fields(latents: Sequence[Latent]) -> Iterator[tuple[Tensor, Tensor, tuple[int, ...]]]:
    seen = 0
    for latent in latents:
        batch, (height, width) = latent.samples.shape[0], latent.samples.shape[-2:]
        size = (height * PIXELS_PER_LATENT, width * PIXELS_PER_LATENT)
        mask = torch.ones(batch, 1, *size)
        if latent.noise_mask is not None:
            given = latent.noise_mask.reshape(-1, 1, *latent.noise_mask.shape[-2:])
            mask = repeat_batch(F.interpolate(given.float(), size=size, mode="bilinear"), batch)
        yield latent.samples, mask, latent.batch_index or tuple(range(seen, seen + batch))
        seen += batch
