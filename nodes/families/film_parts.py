"""What nodes that prepare a film return: the prompts with further inputs for the model, and the latent."""

from __future__ import annotations

from typing import NamedTuple

from nodes.values import Conditioning, Latent


class FilmParts(NamedTuple):
    """Both prompts with the model's further inputs, and the latent to denoise."""

    positive: Conditioning
    negative: Conditioning
    latent: Latent
