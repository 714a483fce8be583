"""What nodes that prepare a film give: the prompts with what the model is told beside them, and the latent."""

from __future__ import annotations

from typing import NamedTuple

from nodes.values import Conditioning, Latent


class FilmParts(NamedTuple):
    """Both prompts with what the model is given beside them, and the latent to denoise."""

    positive: Conditioning
    negative: Conditioning
    latent: Latent
