"""Merges of two models: weights mixed when the network is lent, neither model changed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from engine.errors import InputInvalid
from engine.model_store import ModelStore
from engine.weights import WeightPatch, Weights
from nodes.values import Clip, ControlNet, Model


@dataclass(frozen=True)
class Mix:
    """How much of the own and of the other model's weight there is in the result."""

    own: float
    other: float


@dataclass(frozen=True, eq=False)
class MergePatch:
    """Mixes in ``other`` (with its own patches on), parameter by parameter, as ``mixes`` says."""

    other: Weights
    other_patches: tuple[WeightPatch, ...]
    mixes: Mapping[str, Mix]

    @property
    def key(self) -> str:
        """Both contents and all mixes."""
        patches = ",".join(patch.key for patch in self.other_patches)
        text = repr(sorted((name, mix.own, mix.other) for name, mix in self.mixes.items()))
        return f"merge:{self.other.key}[{patches}]:{hashlib.sha256(text.encode()).hexdigest()}"

    def names(self) -> frozenset[str]:
        """The parameters it changes."""
        return frozenset(self.mixes)

    def apply(self, name: str, weight: Tensor) -> Tensor:
        """``own * weight + other * (the other model's weight)``, float32."""
        mix = self.mixes[name]
        return mix.own * weight + mix.other * self._other_weight(name, weight.device)

    def _other_weight(self, name: str, device: torch.device) -> Tensor:
        weight = self._parameters[name].detach().to(device=device, dtype=torch.float32)
        for patch in self.other_patches:
            if name in patch.names():
                weight = patch.apply(name, weight)
        return weight

    @cached_property
    def _parameters(self) -> dict[str, Tensor]:
        # As built: memory-mapped, so the second model costs no memory until a weight is read.
        return dict(self.other.build().named_parameters())


MixOf = Callable[[str], Mix]


def merge_models(models: ModelStore, own: Model, other: Model, mix_of: MixOf) -> Model:
    """``own`` with ``other`` mixed in; ``mix_of`` is asked with each parameter's published name.

    Raises ``InputInvalid`` where the two are not of the same shape.
    """
    shapes = models.shapes(own.weights)
    _check_same(shapes, models.shapes(other.weights), "model2")
    natives = own.family.names.name_map(shapes).native_names()
    mixes = {name: mix_of(natives.get(name, name)) for name in shapes}
    return own.with_weight_patch(MergePatch(other.weights, other.weight_patches, mixes))


def merge_clips(models: ModelStore, own: Clip, other: Clip, mix: Mix) -> Clip:
    """``own`` with ``other``'s text encoders mixed in, one by one in order."""
    if len(own.weights) != len(other.weights):
        raise InputInvalid("the two CLIPs have different numbers of text encoders", input="clip2")
    for index, (weights, second) in enumerate(zip(own.weights, other.weights, strict=True)):
        shapes = models.shapes(weights)
        _check_same(shapes, models.shapes(second), "clip2")
        mixes = {name: mix for name in shapes if not name.endswith((".position_ids", ".logit_scale"))}
        own = own.with_weight_patch(index, MergePatch(second, other.patches_of(index), mixes))
    return own


def add_to_model(models: ModelStore, net: ControlNet, model: Model) -> ControlNet:
    """A ControlNet whose weights are stored as a difference, with the model's own (and its patches) added to them."""
    shapes = models.shapes(model.weights)
    shared = {name: shape for name, shape in models.shapes(net.weights).items() if name in shapes}
    _check_same(shared, shapes, "model")
    mixes = {name: Mix(1.0, 1.0) for name in shared}
    return replace(net, weight_patches=(MergePatch(model.weights, model.weight_patches, mixes),))


def mix_by_prefix(ratios: Mapping[str, float]) -> MixOf:
    """The ratio of the longest matching prefix; the first ratio where none matches."""
    default = next(iter(ratios.values()))

    def mix_of(name: str) -> Mix:
        matching = [prefix for prefix in ratios if name.startswith(prefix)]
        ratio = ratios[max(matching, key=len)] if matching else default
        return Mix(ratio, 1 - ratio)

    return mix_of


def _check_same(own: Mapping[str, tuple[int, ...]], other: Mapping[str, tuple[int, ...]], input: str) -> None:
    differing = [name for name in own if own[name] != other.get(name)]
    if differing:
        raise InputInvalid(
            f"the two are not of the same family: '{differing[0]}' differs in shape",
            input=input,
            remedy="merge two models of one family",
        )
