"""Brings all layers of a language model into LTX-2's prompts: as wide as its captions, or as film and sound read."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from engine.weights import Weights
from nodes.diffusion.assembly import assemble
from nodes.diffusion.contents import content_key
from nodes.diffusion.weights import WeightView
from nodes.families.ltx2 import PROJECTION_PREFIX

SINGLE, FILM, SOUND = "aggregate_embed", "video_aggregate_embed", "audio_aggregate_embed"
SPREAD = 8.0
EPSILON = 1e-6


class TextProjection(nn.Module):
    """One product of all layers, or one each for film and sound; ``shapes``: of their weights, by name."""

    def __init__(self, shapes: dict[str, tuple[int, ...]]) -> None:
        super().__init__()
        for name in (SINGLE, FILM, SOUND):
            if (shape := shapes.get(f"{name}.weight")) is not None:
                setattr(self, name, nn.Linear(shape[1], shape[0], bias=f"{name}.bias" in shapes))

    def forward(self, states: Tensor) -> Tensor:
        """``states``: float32[layers, tokens, width]; the prompt's tokens, [1, tokens, ...]."""
        states = states.permute(1, 2, 0)
        if hasattr(self, SINGLE):
            span = states.amax(dim=(0, 1), keepdim=True) - states.amin(dim=(0, 1), keepdim=True)
            even = SPREAD * (states - states.mean(dim=(0, 1), keepdim=True)) / (span + EPSILON)
            single: Tensor = getattr(self, SINGLE)(even.flatten(1))
            return single[None]
        width = states.shape[1]
        even = (states * torch.rsqrt(states.square().mean(dim=1, keepdim=True) + EPSILON)).flatten(1)
        parts: list[Any] = [getattr(self, name) for name in (FILM, SOUND)]
        made = [part(even * math.sqrt(part.out_features / width)) for part in parts]
        return torch.cat(made, dim=-1)[None]


def load(view: WeightView, kind: str) -> Weights:
    """A handle to the projection in ``view``, the tensors of which have the prefix of the layout."""
    own = view.renamed(
        {name.removeprefix(PROJECTION_PREFIX): name for name in view if name.startswith(PROJECTION_PREFIX)}
    )
    return Weights(
        f"{kind}:{content_key(own)}",
        lambda: assemble(lambda: TextProjection(own.shapes), own),
        f"{view.file.path.name} text projection",
        release=view.file.release,
    )
