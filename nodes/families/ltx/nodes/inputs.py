"""What the nodes of LTX-Video have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NamedTuple

import lazy_loader as lazy

from engine.inputs import MAX_SIDE_PX, Float, Int
from nodes.values import Conditioning, Latent

if TYPE_CHECKING:
    import torch
    from torch import Tensor
else:
    torch = lazy.load("torch")

CATEGORY = "model/conditioning/ltxv"
Side = Annotated[int, Int(min=64, max=MAX_SIDE_PX, step=32)]
Share = Annotated[float, Float(min=0.0, max=1.0, round=False)]


class Prompts(NamedTuple):
    """Both prompts."""

    positive: Conditioning
    negative: Conditioning


def mask_of(latent: Latent) -> Tensor:
    """How much of each step is denoised, a copy: float32[batch, 1, steps, 1, 1] where the latent has no mask."""
    if latent.noise_mask is not None:
        return latent.noise_mask.clone()
    return torch.ones(latent.samples.shape[0], 1, latent.samples.shape[2], 1, 1)
