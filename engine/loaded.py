"""A network on the device, and its copies with patches applied, which share with it all that they leave as it is."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from engine.errors import DagfusionError
from engine.module_tensors import replace_tensors, set_parameter, tensors_of
from engine.quantized import Quantized, patched
from engine.stored import cast_when_used, exact
from engine.weights import WeightPatch, Weights


@dataclass(eq=False)
class LoadedNetwork:
    """A network on the device. A patched one has its plain one as ``base`` and shares all unchanged tensors with it."""

    weights: Weights
    patches: tuple[str, ...]
    module: nn.Module
    stored: Mapping[str, Tensor]
    size_bytes: int
    base: LoadedNetwork | None = None
    leased: int = 0
    used_at: int = 0


def detach(loaded: LoadedNetwork) -> None:
    """Copy the tensors, those as stored too, which patches are made from; what was one tensor is one copy."""
    copies: dict[tuple[int, torch.dtype, torch.Size], Tensor] = {}

    def copied(tensor: Tensor) -> Tensor:
        if isinstance(tensor, Quantized):
            return tensor.moved(copied)
        place = (tensor.data_ptr(), tensor.dtype, tensor.shape)
        if not tensor.data_ptr():
            return tensor.clone()
        if place not in copies:
            copies[place] = tensor.detach().clone()
        return copies[place]

    loaded.stored = {name: copied(tensor) for name, tensor in loaded.stored.items()}
    replace_tensors(loaded.module, copied)


class PatchedCopy:
    """A copy of ``base`` with ``patches``, in order, that is yet to be made; ``size_bytes`` says what it will take.

    Raises ``DagfusionError`` where a patch changes what the network lacks.
    """

    def __init__(self, base: LoadedNetwork, patches: Sequence[WeightPatch]) -> None:
        self._base, self._patches = base, patches
        self._active = dict(base.module.named_parameters())
        self._changed_by = [(patch, patch.names()) for patch in patches]
        self._names = sorted(frozenset().union(*(changed for _, changed in self._changed_by)))
        absent = [name for name in self._names if name not in self._active]
        if absent:
            raise DagfusionError(
                f"a patch changes '{absent[0]}', which {base.weights.label or 'the network'} lacks",
                remedy="use what was made for this network",
            )
        copied = (self._active[name] for name in self._names if not _stays(self._active[name]))
        self.size_bytes = sum(tensor.nbytes for tensor in copied)

    @property
    def keys(self) -> tuple[str, ...]:
        """Those of the patches."""
        return tuple(patch.key for patch in self._patches)

    def make(self) -> LoadedNetwork:
        """The copy. Only the tree of modules that refers to the tensors is copied, and what patches change."""
        base = self._base
        module = copy.deepcopy(base.module, {id(tensor): tensor for tensor in tensors_of(base.module)})
        with torch.no_grad():
            for name in self._names:
                own = [patch for patch, changed in self._changed_by if name in changed]
                set_parameter(module, name, _patched(base, name, self._active[name], own))
        base.weights.release()
        return LoadedNetwork(base.weights, self.keys, module, {}, self.size_bytes, base)


def _stays(weight: Tensor) -> bool:
    """Whether patches are put on when the weight is used: what is stored stays as it is, and its memory too."""
    return isinstance(weight, Quantized) and not cast_when_used(weight)


def _patched(base: LoadedNetwork, name: str, active: Tensor, patches: Sequence[WeightPatch]) -> Tensor:
    if isinstance(active, Quantized) and _stays(active):
        return patched(active, name, patches)
    weight = exact(base.stored[name], active)
    for patch in patches:
        weight = patch.apply(name, weight)
    if base.weights.patched_as_stored:
        weight = weight.to(base.stored[name].dtype)
    return weight.to(active)
