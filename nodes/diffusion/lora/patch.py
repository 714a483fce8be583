"""A LoRA as a weight patch: which parameters of one network it changes, by how much."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch.nn.functional as F
from torch import Tensor

from nodes.diffusion.lora.layers import Layer, Replacement
from nodes.diffusion.lora.rotations import at_strength


@dataclass(frozen=True, eq=False)
class LoraPatch:
    """``layers`` by parameter name, at ``strength`` (any sign); ``source`` identifies the file's contents.

    ``shapes``: of parameters that it widens, by their names; what is new of them is zero before it is changed.
    """

    layers: Mapping[str, Layer | Replacement]
    strength: float
    source: str
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The same file at the same strength is the same patch."""
        return f"lora:{self.source}:{self.strength!r}"

    def names(self) -> frozenset[str]:
        """The parameters it changes."""
        return frozenset(self.layers)

    def apply(self, name: str, weight: Tensor) -> Tensor:
        """``weight`` (float32) with the LoRA put on: a new tensor."""
        layer = self.layers[name]
        if name in self.shapes:
            weight = _widened(weight, self.shapes[name])
        if isinstance(layer, Replacement):
            return layer.put(weight)
        return weight + self.strength * at_strength(layer, self.strength).delta(weight)


def _widened(weight: Tensor, shape: tuple[int, ...]) -> Tensor:
    """``weight`` in the corner of zeros of ``shape``; one that another patch has widened already is left alone."""
    missing = [wanted - have for wanted, have in zip(shape, weight.shape, strict=True)]
    return F.pad(weight, [side for gap in reversed(missing) for side in (0, max(gap, 0))])
