"""What is particular to one network of Flux.1, and of its relatives."""

from __future__ import annotations

from dataclasses import dataclass

PATCH = 2


@dataclass(frozen=True, slots=True)
class FluxVariant:
    """``context_width``: of the prompts' tokens. ``in_channels``: of the latents that the network takes: the noisy one,
    and with 32 a picture to follow, with 96 a picture and the mask of what is to be filled.
    """

    context_width: int
    in_channels: int
