"""The VAE of models that work on pixels: it encodes nothing, its latents are pictures in -1..1."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from engine.weights import Weights
from nodes.diffusion.weights import WeightView
from nodes.families.vae_kinds import PIXELS
from nodes.latent_space import LatentSpace
from nodes.values import Vae


class PixelSpace(torch.nn.Module):
    """A VAE that leaves pictures as they are, for models that denoise pixels."""

    def forward(self, planes: Tensor) -> Tensor:
        """``planes``, float[batch, 3, height, width], unchanged."""
        return planes


def pixel_space() -> Vae:
    """The VAE of models that denoise pixels."""
    return Vae(
        Weights("vae:pixel_space", PixelSpace, "pixel space", wide=True), PIXELS, LatentSpace(3, factors=(1, 1, 1))
    )


def load(view: WeightView) -> Vae:
    """The same: no file has anything to say of it."""
    return pixel_space()


def decode(module: Any, samples: Tensor) -> Tensor:
    """``samples`` as they are."""
    return samples


def encode(module: Any, planes: Tensor) -> Tensor:
    """``planes`` as they are."""
    return planes
