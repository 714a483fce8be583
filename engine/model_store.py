"""Loaded networks: one copy of each weight set, kept under memory budgets, lent out with patches applied."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class Weights:
    """A handle to a network: cheap to make and to keep in a cached value; the tensors come when it is first lent.

    ``key`` identifies the contents (two files with the same bytes share it). ``build()`` makes the module on the CPU,
    with weights as stored in the file (memory-mapped where possible).
    """

    key: str
    build: Callable[[], torch.nn.Module]


class WeightPatch(Protocol):
    """A change of some of a network's weights: a LoRA, a merge. Applied when a network is lent, taken off exactly."""

    @property
    def key(self) -> str:
        """Identifies the change, strength included."""
        ...

    def names(self) -> frozenset[str]:
        """Names of the parameters it changes, as ``module.named_parameters()`` has them."""
        ...

    def apply(self, name: str, weight: torch.Tensor) -> torch.Tensor:
        """The changed weight, a new tensor of the same shape; ``weight`` (float32) is not written to."""
        ...
