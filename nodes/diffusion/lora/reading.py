"""Reads a LoRA file's tensors into layers, one a module, whatever the trainer called its parts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from engine.counted import counted
from nodes.diffusion.lora.layers import (
    Difference,
    Generalized,
    Hadamard,
    Kronecker,
    Layer,
    LowRank,
    Magnitude,
    Replacement,
)
from nodes.diffusion.lora.rotations import BlockRotation, ButterflyRotation
from nodes.families.lora_names import FEW, few, split

Parts = Mapping[str, Tensor]
LayerName = tuple[str, str]
"""Module name as the file has it, and ``weight`` or ``bias``."""

Layers = dict[LayerName, Layer | Replacement]


@dataclass(frozen=True, slots=True)
class Read:
    """What a file's tensors say; ``left_out``: sentences about what is no layer, or of a kind that is not known."""

    layers: Layers
    left_out: tuple[str, ...]


def read_layers(tensors: Mapping[str, Tensor]) -> Read:
    """All layers that there are. Never raises for what a file says: the rest of it counts."""
    modules: dict[str, dict[str, Tensor]] = defaultdict(dict)
    strange = []
    for name in tensors:
        module, part = split(name)
        if part is None:
            strange.append(name)
        else:
            modules[module][part] = tensors[name]
    layers: Layers = {}
    broken = []
    for module, parts in modules.items():
        try:
            layers |= _of_module(module, parts)
        except KeyError as missing:
            broken.append(f"module '{module}' lacks its part {missing}")
        except ValueError as error:
            broken.append(f"module '{module}' has {error}")
    left_out = [f"{problem}, and is left out" for problem in broken[:FEW]]
    if len(broken) > FEW:
        left_out.append(f"{counted(len(broken) - FEW, 'more module')} like these, left out")
    if strange:
        left_out.append(f"{counted(len(strange), 'tensor')} of kinds that are not applied, left out: {few(strange)}")
    return Read(layers, tuple(left_out))


def _of_module(module: str, parts: Parts) -> Layers:
    found: Layers = {}
    layer = next((layer for read in _READERS if (layer := read(parts)) is not None), None)
    if layer is not None:
        # The generic form names parameters, of which weights go without their ending.
        owner, _, kind = module.rpartition(".")
        found[(owner, kind) if kind == "bias" else (module, "weight")] = layer
    for part in ("bias_norm", "bias_diff"):
        if part in parts:
            found[module, "bias"] = Difference(parts[part])
    return found


def _replacement(parts: Parts) -> Replacement | None:
    return Replacement(parts["set"]) if "set" in parts else None


def _difference(parts: Parts) -> Layer | None:
    return next((Difference(parts[part]) for part in ("diff", "norm") if part in parts), None)


def _rotation(parts: Parts) -> Layer | None:
    if "blocks" not in parts:
        return None
    blocks, constraint = parts["blocks"], _alpha(parts) or 0.0
    if blocks.dim() not in {3, 4} or blocks.shape[-1] != blocks.shape[-2]:
        raise ValueError(f"oft_blocks of shape {tuple(blocks.shape)}, which are neither OFT's nor BOFT's")
    if blocks.dim() == 3:
        return _with_magnitude(BlockRotation(blocks, constraint), parts, gain=constraint)
    return _with_magnitude(ButterflyRotation(blocks, parts.get("rescale"), constraint), parts, gain=constraint)


def _generalized(parts: Parts) -> Layer | None:
    if not parts.keys() & {"a1", "a2", "b1", "b2"}:
        return None
    return _with_magnitude(Generalized(parts["a1"], parts["a2"], parts["b1"], parts["b2"], _alpha(parts)), parts)


def _kronecker(parts: Parts) -> Layer | None:
    if not parts.keys() & {"w1", "w1_a", "w2", "w2_a"}:
        return None
    for factor in ("w1", "w2"):
        if factor not in parts:
            parts[f"{factor}_a"], parts[f"{factor}_b"]
    factors = {name: parts.get(name) for name in ("w1", "w1_a", "w1_b", "w2", "w2_a", "w2_b", "t2")}
    return _with_magnitude(Kronecker(**factors, alpha=_alpha(parts)), parts)


def _hadamard(parts: Parts) -> Layer | None:
    if not any(part.startswith("hada_") for part in parts):
        return None
    factors = (parts["hada_w1_a"], parts["hada_w1_b"], parts["hada_w2_a"], parts["hada_w2_b"])
    cores = (parts.get("hada_t1"), parts.get("hada_t2"))
    return _with_magnitude(Hadamard(*factors, *cores, alpha=_alpha(parts)), parts)


def _low_rank(parts: Parts) -> Layer | None:
    if not parts.keys() & {"up", "down"}:
        return None
    return _with_magnitude(LowRank(parts["up"], parts["down"], parts.get("mid"), _alpha(parts)), parts)


# In a module that has several, the first of these counts, as in ComfyUI.
_READERS: tuple[Callable[[Parts], Layer | Replacement | None], ...] = (
    _replacement, _difference, _rotation, _generalized, _kronecker, _hadamard, _low_rank,
)  # fmt: skip


def _with_magnitude(layer: Layer, parts: Parts, gain: float = 1.0) -> Layer:
    return Magnitude(layer, parts["scale"], gain) if "scale" in parts else layer


def _alpha(parts: Parts) -> float | None:
    if "alpha" not in parts:
        return None
    if parts["alpha"].numel() != 1:
        raise ValueError(f"an alpha of shape {tuple(parts['alpha'].shape)}, not one number")
    return float(parts["alpha"])
