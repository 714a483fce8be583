"""Multiplies the attention projections of text encoders, as a weight patch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from engine.model_store import ModelStore
from nodes.values import Clip


@dataclass(frozen=True, eq=False)
class ScalePatch:
    """Each of the parameters in ``factors`` times its factor."""

    factors: Mapping[str, float]

    @property
    def key(self) -> str:
        """All names and factors."""
        return f"scale:{sorted(self.factors.items())!r}"

    def names(self) -> frozenset[str]:
        """The parameters it changes."""
        return frozenset(self.factors)

    def apply(self, name: str, weight: Tensor) -> Tensor:
        """The scaled weight."""
        return weight * self.factors[name]


def scale_attention(models: ModelStore, clip: Clip, factors: Mapping[str, float]) -> Clip:
    """``clip`` with weights and biases of every self-attention multiplied, in all encoders.

    ``factors``: by projection, ``q_proj``, ``k_proj``, ``v_proj`` and ``out_proj``.
    """
    for index, weights in enumerate(clip.weights):
        chosen = {}
        for name in models.shapes(weights):
            _, _, place = name.rpartition("self_attn.")
            projection = place.partition(".")[0]
            if projection in factors and factors[projection] != 1:
                chosen[name] = factors[projection]
        if chosen:
            clip = clip.with_weight_patch(index, ScalePatch(chosen))
    return clip
