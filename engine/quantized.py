"""Weights that stay as a file has them, in few bits: made into numbers when a layer is computed, and forgotten after.

A :class:`Quantized` is a parameter like any other to the modules that hold it. Any operation of torch sees the numbers
that it stands for, which exist for as long as that operation needs them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map_only

from engine.weights import WeightPatch

_aten = torch.ops.aten


class WeightSource(ABC):
    """What a quantized weight is made from: stored tensors, and how they are read."""

    shape: tuple[int, ...]

    @property
    @abstractmethod
    def tensors(self) -> tuple[Tensor, ...]:
        """All that is stored for it, at least one tensor; all on one device."""

    @abstractmethod
    def numbers(self, dtype: torch.dtype) -> Tensor:
        """The weight, of ``shape``, on the device: computed in float32, then rounded to ``dtype``. A new tensor."""

    @abstractmethod
    def moved(self, move: Callable[[Tensor], Tensor]) -> WeightSource:
        """The same with ``move`` of each stored tensor in its place."""

    def rows(self, ids: Tensor, dtype: torch.dtype) -> Tensor:
        """Rows of the weight, [*ids' shape, *rest of the shape]: what a table of tokens is asked for."""
        return self.numbers(dtype)[ids]

    def shaped(self, shape: tuple[int, ...]) -> WeightSource:
        """The same numbers in another shape; the first dimension stays."""
        return Shaped(self, shape)


class Quantized(Tensor):
    """A tensor of numbers that are made from ``source`` whenever an operation needs them; it cannot be written to.

    ``dtype`` is what the numbers are rounded to, and ``device`` where the stored tensors are; ``to`` changes either
    without making numbers. Tables of tokens make only the rows that are asked for.
    """

    source: WeightSource

    @staticmethod
    def __new__(cls, source: WeightSource, dtype: torch.dtype) -> Quantized:
        device = source.tensors[0].device
        made: Quantized = Tensor._make_wrapper_subclass(cls, source.shape, dtype=dtype, device=device)
        return made

    def __init__(self, source: WeightSource, dtype: torch.dtype) -> None:  # noqa: ARG002 - __new__ has it
        self.source = source

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Called for each operation that one of these is part of."""
        if func in _KEEPING and isinstance(args[0], Quantized):
            return _KEEPING[func](*args, **(kwargs or {}))
        if func._schema.is_mutable and any(isinstance(arg, Quantized) for arg in args[:1]):
            raise TypeError(f"a quantized weight cannot be written to ({func})")
        args, kwargs = tree_map_only(Quantized, Quantized.numbers, (tuple(args), dict(kwargs or {})))
        return func(*args, **kwargs)

    def numbers(self, dtype: torch.dtype | None = None) -> Tensor:
        """What it stands for, as an ordinary tensor: in its own number format, or in ``dtype``."""
        return self.source.numbers(dtype or self.dtype)

    @property
    def stored_bytes(self) -> int:
        """How much memory, or how much of a file, it takes as it is stored."""
        return sum(tensor.nbytes for tensor in self.source.tensors)

    def moved(self, move: Callable[[Tensor], Tensor]) -> Quantized:
        """The same with ``move`` of each stored tensor in its place."""
        return Quantized(self.source.moved(move), self.dtype)

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        return f"Quantized({type(self.source).__name__}, {tuple(self.shape)}, {self.dtype}, {self.device})"


def _same(weight: Quantized, **_: Any) -> Quantized:
    return Quantized(weight.source, weight.dtype)


def _cloned(weight: Quantized, **_: Any) -> Quantized:
    return weight.moved(Tensor.clone)


def _to(
    weight: Quantized, *, dtype: torch.dtype | None = None, device: torch.device | None = None, **rest: Any
) -> Tensor:
    dtype = dtype or weight.dtype
    if device is not None and device.type == "meta":
        return torch.empty(weight.shape, dtype=dtype, device=device)
    if not dtype.is_floating_point or dtype.itemsize == 1:
        return weight.numbers().to(device=device, dtype=dtype)
    if device is None or device == weight.device:
        return Quantized(weight.source, dtype)
    waits = bool(rest.get("non_blocking", False))
    return Quantized(weight.source.moved(lambda tensor: tensor.to(device, non_blocking=waits)), dtype)


def _viewed(weight: Quantized, size: Sequence[int]) -> Tensor:
    shape = tuple(torch.empty(weight.shape, device="meta").view(tuple(size)).shape)
    if shape[:1] != tuple(weight.shape[:1]):
        return weight.numbers().view(shape)
    return Quantized(weight.source if shape == tuple(weight.shape) else weight.source.shaped(shape), weight.dtype)


def _rows(weight: Quantized, ids: Tensor, *_: Any, **__: Any) -> Tensor:
    return weight.source.rows(ids, weight.dtype)


def _picked(weight: Quantized, indices: Sequence[Tensor | None]) -> Tensor:
    first = indices[0]
    if len(indices) == 1 and first is not None and not first.dtype.is_floating_point and first.dtype != torch.bool:
        return weight.source.rows(first, weight.dtype)
    return _aten.index.Tensor(weight.numbers(), indices)  # type: ignore[no-any-return]


def _selected(weight: Quantized, dim: int, index: int) -> Tensor:
    if dim % weight.dim():
        return weight.numbers().select(dim, index)
    return weight.source.rows(torch.tensor([index % weight.shape[0]], device=weight.device), weight.dtype)[0]


_KEEPING: Mapping[Any, Callable[..., Tensor]] = {
    _aten.detach.default: _same,
    _aten.alias.default: _same,
    _aten.clone.default: _cloned,
    _aten._to_copy.default: _to,
    _aten.view.default: _viewed,
    _aten._unsafe_view.default: _viewed,
    _aten.embedding.default: _rows,
    _aten.index.Tensor: _picked,
    _aten.select.int: _selected,
}
"""The operations that need no numbers, or few of them."""


@dataclass(frozen=True, eq=False)
class Shaped(WeightSource):
    """Another shape of ``whole``, of as many rows."""

    whole: WeightSource
    shape: tuple[int, ...]

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        return self.whole.tensors

    def numbers(self, dtype: torch.dtype) -> Tensor:
        return self.whole.numbers(dtype).view(self.shape)

    def moved(self, move: Callable[[Tensor], Tensor]) -> WeightSource:
        return replace(self, whole=self.whole.moved(move))


@dataclass(frozen=True, eq=False)
class Stacked(WeightSource):
    """Several weights one after the other along the first dimension, each stored in its own way."""

    parts: tuple[WeightSource, ...]

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return (sum(part.shape[0] for part in self.parts), *self.parts[0].shape[1:])

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        return tuple(tensor for part in self.parts for tensor in part.tensors)

    def numbers(self, dtype: torch.dtype) -> Tensor:
        return torch.cat([part.numbers(dtype) for part in self.parts])

    def moved(self, move: Callable[[Tensor], Tensor]) -> WeightSource:
        return Stacked(tuple(part.moved(move) for part in self.parts))


@dataclass(frozen=True, eq=False)
class Plain(WeightSource):
    """Numbers that are stored as such, in any number format: made wider (or rounded) when they are used."""

    stored: Tensor

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return tuple(self.stored.shape)

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        return (self.stored,)

    def numbers(self, dtype: torch.dtype) -> Tensor:
        return self.stored.to(dtype, copy=True)

    def rows(self, ids: Tensor, dtype: torch.dtype) -> Tensor:
        # torch cannot pick rows of 8-bit floats on every device; their bytes it can.
        if self.stored.dtype.itemsize == 1:
            return self.stored.view(torch.uint8)[ids].view(self.stored.dtype).to(dtype)
        return self.stored[ids].to(dtype)

    def moved(self, move: Callable[[Tensor], Tensor]) -> WeightSource:
        return Plain(move(self.stored))


@dataclass(frozen=True, eq=False)
class WithPatches(WeightSource):
    """The weight ``name`` with patches put on each time that it is used, in order; what is stored is not changed."""

    weight: WeightSource
    name: str
    patches: tuple[WeightPatch, ...]
    shape: tuple[int, ...]

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        return self.weight.tensors

    def numbers(self, dtype: torch.dtype) -> Tensor:
        numbers = self.weight.numbers(torch.float32)
        for patch in self.patches:
            numbers = patch.apply(self.name, numbers)
        return numbers.to(dtype)

    def moved(self, move: Callable[[Tensor], Tensor]) -> WeightSource:
        return replace(self, weight=self.weight.moved(move))


def patched(weight: Quantized, name: str, patches: Sequence[WeightPatch]) -> Quantized:
    """``weight``, called ``name`` in its network, with ``patches`` put on whenever it is used. They may widen it."""
    shape = torch.empty(weight.shape, device="meta")
    for patch in patches:
        shape = patch.apply(name, shape)
    return Quantized(WithPatches(weight.source, name, tuple(patches), tuple(shape.shape)), weight.dtype)
