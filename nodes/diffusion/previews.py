"""Small pictures of an unfinished latent, for whoever watches a run."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from engine.context import Context
from nodes.diffusion.latent_formats import LatentFormat

Previewer = Callable[[Tensor], Tensor]


def previewer(ctx: Context, latent_format: LatentFormat) -> Previewer:
    """A function from a latent in the denoiser's scale, float[batch, channels, h, w], to uint8[height, width, 3]."""
    return lambda denoised: latent_format.preview(denoised[0])
