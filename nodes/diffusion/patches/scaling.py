"""Multiplies chosen weights by factors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

_BETWEEN_FRAMES = ".temporal_transformer_blocks."


@dataclass(frozen=True)
class ScalingPatch:
    """``factors`` by parameter name."""

    factors: Mapping[str, float]

    @property
    def key(self) -> str:
        """All names and factors."""
        return f"scaling:{sorted(self.factors.items())}"

    def names(self) -> frozenset[str]:
        """The parameters it changes."""
        return frozenset(self.factors)

    def apply(self, name: str, weight: Tensor) -> Tensor:
        """The weight times its factor."""
        return weight * self.factors[name]


def scale_projections(parameters: Iterable[str], attention: str, factors: Mapping[str, float]) -> ScalingPatch:
    """Factors for the projections (``to_q`` ...) of every attention called ``attention`` (``attn1``, ``attn2``)."""
    marks = {f".{attention}.{projection}.": factor for projection, factor in factors.items() if factor != 1.0}
    return ScalingPatch({name: factor for name in parameters for mark, factor in marks.items() if mark in name})


def scale_attention_outputs(parameters: Iterable[str], factors: Mapping[str, tuple[float, float]]) -> ScalingPatch:
    """Factors for the output projections of each attention (``attn1``, ``attn2``): within and between frames."""
    found = {}
    for name in parameters:
        for attention, (within, between) in factors.items():
            if name.rpartition(".")[0].endswith(f"{attention}.to_out.0"):
                found[name] = between if _BETWEEN_FRAMES in name else within
    return ScalingPatch(found)
