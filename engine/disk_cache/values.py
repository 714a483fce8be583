"""Values as JSON and tensors, and back, equal bit for bit. What cannot be written so is refused."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Sequence
from dataclasses import fields
from types import MappingProxyType, NoneType
from typing import Any

import torch
from torch import Tensor

_PLAIN = (NoneType, bool, int, str)


class Unwritable(TypeError):
    """The value is, or holds, something that cannot be written and read back exactly."""


class _Tensors:
    """Tensors in the order in which they were found, each once."""

    def __init__(self) -> None:
        self.found: list[Tensor] = []
        self._numbers: dict[int, int] = {}

    def number(self, tensor: Tensor) -> int:
        """Its place in ``found``. Raises ``Unwritable`` for one that is not plainly in the machine's memory."""
        if tensor.layout is not torch.strided or tensor.device.type != "cpu" or tensor.is_conj() or tensor.is_neg():
            raise Unwritable("a tensor is not plainly in the machine's memory")
        if id(tensor) not in self._numbers:
            self._numbers[id(tensor)] = len(self.found)
            self.found.append(tensor)
        return self._numbers[id(tensor)]


class Kinds:
    """The dataclasses that may be written, beside tensors, plain values, and tuples, lists and mappings of these.

    Everything in JSON that is no plain value is a list whose first item says what it is.
    """

    def __init__(self, types: Iterable[type]) -> None:
        self._types = {kind.__name__: kind for kind in types}
        self._names = {kind: name for name, kind in self._types.items()}

    def pack(self, value: Any) -> tuple[Any, list[Tensor]]:
        """``value`` in JSON, and the tensors that it names by number. Raises ``Unwritable``."""
        tensors = _Tensors()
        try:
            return self._pack(value, tensors), tensors.found
        except RecursionError:
            raise Unwritable("it is nested too deeply") from None

    def unpack(self, packed: Any, tensors: Sequence[Tensor]) -> Any:
        """What :meth:`pack` was given. Raises ``ValueError``, ``KeyError`` ... for anything else."""
        if not isinstance(packed, list):
            return packed
        kind, *parts = packed
        match kind:
            case "float":
                return struct.unpack(">d", bytes.fromhex(parts[0]))[0]
            case "tensor":
                return _laid_out(tensors[parts[0]], parts[1])
            case "tuple" | "list":
                items = [self.unpack(part, tensors) for part in parts]
                return tuple(items) if kind == "tuple" else items
            case "dict" | "mapping":
                made = {self.unpack(key, tensors): self.unpack(value, tensors) for key, value in parts}
                return made if kind == "dict" else MappingProxyType(made)
            case _:
                return self._types[kind](**{name: self.unpack(value, tensors) for name, value in parts})

    def _pack(self, value: Any, tensors: _Tensors) -> Any:
        # The very types: a subclass would come back as something else.
        kind = type(value)
        if kind in _PLAIN:
            return value
        if kind is float:
            return value if math.isfinite(value) else ["float", struct.pack(">d", value).hex()]
        if kind is Tensor:
            return ["tensor", tensors.number(value), _order(value)]
        if kind is tuple or kind is list:
            return [kind.__name__, *(self._pack(part, tensors) for part in value)]
        if kind is dict or kind is MappingProxyType:
            pairs = ([self._pack(key, tensors), self._pack(part, tensors)] for key, part in value.items())
            return ["dict" if kind is dict else "mapping", *pairs]
        if kind in self._names:
            parts = ([field.name, self._pack(getattr(value, field.name), tensors)] for field in fields(kind))
            return [self._names[kind], *parts]
        raise Unwritable(f"{kind.__name__} is not a kind of value that is written")


def laid_bare(tensor: Tensor) -> Tensor:
    """The numbers in the order in which they lie in memory, in memory of their own."""
    return tensor.detach().permute(_order(tensor)).clone(memory_format=torch.contiguous_format)


def _laid_out(stored: Tensor, order: Sequence[int]) -> Tensor:
    return stored.permute([order.index(dim) for dim in range(len(order))])


def _order(tensor: Tensor) -> list[int]:
    """The dimensions from the outermost in memory to the innermost: what computes with it may go by that."""
    strides = tensor.stride()
    repeated = any(stride == 0 and size > 1 for stride, size in zip(strides, tensor.shape, strict=True))
    return sorted(range(tensor.dim()), key=lambda dim: 0 if repeated else -strides[dim])
