"""The kinds of change that LoRA files hold for one weight, each as the full difference that it stands for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class Layer(Protocol):
    """A change of one weight."""

    def delta(self, weight: Tensor) -> Tensor:
        """What to add to ``weight`` at strength 1: float32, the weight's shape, on the weight's device."""
        ...


@dataclass(frozen=True, eq=False)
class LowRank:
    """LoRA, and LoCon for convolutions: up @ down, scaled by alpha / rank (Hu et al. 2021, arXiv 2106.09685).

    ``down``: [rank, in, ...], ``up``: [out, rank, ...]; ``mid``: [rank, rank, kh, kw] for CP-decomposed convolutions.
    """

    up: Tensor
    down: Tensor
    mid: Tensor | None = None
    alpha: float | None = None

    def delta(self, weight: Tensor) -> Tensor:
        up, down = beside(weight, self.up), beside(weight, self.down)
        rank = down.shape[0]
        if self.mid is not None:
            full = torch.einsum("ir,rs...,sj->ij...", up.flatten(1), beside(weight, self.mid), down.flatten(1))
        else:
            full = up.flatten(1) @ down.flatten(1)
        return full.reshape(weight.shape) * _scale(self.alpha, rank)


@dataclass(frozen=True, eq=False)
class Hadamard:
    """LoHa: the elementwise product of two low-rank products (Hyeon-Woo et al. 2021, arXiv 2108.06098)."""

    w1_a: Tensor
    w1_b: Tensor
    w2_a: Tensor
    w2_b: Tensor
    t1: Tensor | None = None
    t2: Tensor | None = None
    alpha: float | None = None

    def delta(self, weight: Tensor) -> Tensor:
        first = _product(weight, self.w1_a, self.w1_b, self.t1)
        second = _product(weight, self.w2_a, self.w2_b, self.t2)
        return (first * second).reshape(weight.shape) * _scale(self.alpha, self.w1_b.shape[0])


@dataclass(frozen=True, eq=False)
class Kronecker:
    """LoKr: a Kronecker product of two factors, each whole or itself low-rank (LyCORIS, arXiv 2309.14859)."""

    w1: Tensor | None = None
    w1_a: Tensor | None = None
    w1_b: Tensor | None = None
    w2: Tensor | None = None
    w2_a: Tensor | None = None
    w2_b: Tensor | None = None
    t2: Tensor | None = None
    alpha: float | None = None

    def delta(self, weight: Tensor) -> Tensor:
        first = _factor(weight, self.w1, self.w1_a, self.w1_b, None)
        second = _factor(weight, self.w2, self.w2_a, self.w2_b, self.t2)
        first = first.reshape(*first.shape, *[1] * (second.dim() - first.dim()))
        # The scale belongs to the low-rank factors: two whole factors are taken as they are.
        factored = self.w2_b if self.w2_b is not None else self.w1_b
        scale = _scale(self.alpha, factored.shape[0]) if factored is not None else 1.0
        return torch.kron(first, second.contiguous()).reshape(weight.shape) * scale


@dataclass(frozen=True, eq=False)
class Generalized:
    """GLoRA: weight @ A + B with low-rank A and B (Chavan et al. 2023, arXiv 2306.07967), scaled by alpha / rank.

    A = a1 @ a2 mixes the inputs ([in, rank] and [rank, in]), B = b1 @ b2 is added ([out, rank] and [rank, in, ...]).
    LyCORIS once wrote the factors the other way round: A = a2 @ a1, B = b2 @ b1.
    """

    a1: Tensor
    a2: Tensor
    b1: Tensor
    b2: Tensor
    alpha: float | None = None

    def delta(self, weight: Tensor) -> Tensor:
        a1, a2, b1, b2 = (beside(weight, part).flatten(1) for part in (self.a1, self.a2, self.b1, self.b2))
        if self.b2.shape[:2] == (weight.shape[0], self.b1.shape[0]):
            return (weight.flatten(1) @ a2 @ a1 + b2 @ b1).reshape(weight.shape) * _scale(self.alpha, a1.shape[0])
        mixed = torch.einsum("oi...,ir,rj->oj...", weight, a1, a2)
        return (mixed + (b1 @ b2).reshape(weight.shape)) * _scale(self.alpha, a2.shape[0])


@dataclass(frozen=True, eq=False)
class Difference:
    """The whole difference, as extraction tools and norm training write it."""

    diff: Tensor

    def delta(self, weight: Tensor) -> Tensor:
        return beside(weight, self.diff).reshape(weight.shape)


@dataclass(frozen=True, eq=False)
class Magnitude:
    """DoRA: the direction of weight + delta with a learned length (Liu et al. 2024, arXiv 2402.09353).

    ``scale``: [out, 1, ...], or [1, in, ...] where a trainer decomposed along the input axis. Along the output axis
    the length divided by is the *old* weight's, as trainers of that kind of file (and ComfyUI) have it. ``gain``
    multiplies the layer's own difference.
    """

    layer: Layer
    scale: Tensor
    gain: float = 1.0

    def delta(self, weight: Tensor) -> Tensor:
        changed = weight + self.gain * self.layer.delta(weight)
        axis, measured = (0, weight) if self.scale.shape[0] == weight.shape[0] else (1, changed)
        others = [dim for dim in range(weight.dim()) if dim != axis]
        length: Tensor = torch.linalg.vector_norm(measured, dim=others, keepdim=True)
        scale = beside(weight, self.scale).reshape(length.shape)
        return changed * (scale / (length + torch.finfo(weight.dtype).eps)) - weight


@dataclass(frozen=True, eq=False)
class Replacement:
    """A new value for the whole weight, whatever the strength."""

    value: Tensor

    def put(self, weight: Tensor) -> Tensor:
        """The value as a tensor of ``weight``'s shape."""
        return beside(weight, self.value).expand(weight.shape).clone()


def beside(weight: Tensor, part: Tensor) -> Tensor:
    """``part`` of a file in float32, where the weight is."""
    return part.to(device=weight.device, dtype=torch.float32)


def _scale(alpha: float | None, rank: int) -> float:
    return 1.0 if alpha is None else alpha / rank


def _product(weight: Tensor, a: Tensor, b: Tensor, core: Tensor | None) -> Tensor:
    a, b = beside(weight, a), beside(weight, b)
    return a @ b if core is None else torch.einsum("rs...,sj,ri->ij...", beside(weight, core), b, a)


def _factor(weight: Tensor, whole: Tensor | None, a: Tensor | None, b: Tensor | None, core: Tensor | None) -> Tensor:
    if whole is not None:
        return beside(weight, whole)
    assert a is not None
    assert b is not None
    return _product(weight, a, b, core)
