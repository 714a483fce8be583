"""A network's weights before they are loaded, and changes of them: what :mod:`engine.model_store` lends out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn


def _nothing() -> None:
    pass


@dataclass(frozen=True, eq=False)
class Weights:
    """A handle to a network: cheap to make and to keep in a cached value; the tensors come when it is first lent.

    ``key`` identifies the contents (two files with the same bytes share it). ``build()`` makes the module on the CPU,
    with weights as stored in the file (memory-mapped where possible). ``label`` is for people. ``wide``: the network
    overflows float16, so it is computed in a wider format. ``patched_as_stored``: patched weights are rounded to the
    format of the stored ones (text encoders: recorded pictures depend on it). ``heavy``: so much is computed with it
    that rounding is worth it (see :func:`engine.devices.compute_dtype`). ``release()`` gives back the host memory that
    reading the stored weights took; they stay readable.
    """

    key: str
    build: Callable[[], nn.Module]
    label: str = ""
    wide: bool = False
    patched_as_stored: bool = False
    heavy: bool = False
    release: Callable[[], None] = _nothing


class WeightPatch(Protocol):
    """A change of some of a network's weights: a LoRA, a merge. Applied when a network is lent, taken off exactly."""

    @property
    def key(self) -> str:
        """Identifies the change, strength included."""
        ...

    def names(self) -> frozenset[str]:
        """Names of the parameters it changes, as ``module.named_parameters()`` has them."""
        ...

    def apply(self, name: str, weight: Tensor) -> Tensor:
        """The changed weight, a new tensor of the same shape; ``weight`` (float32) is not written to."""
        ...
