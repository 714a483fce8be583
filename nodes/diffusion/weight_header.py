"""The header of a safetensors file: what it says of each tensor, checked against the file's size."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import torch
from torch import Tensor

from engine.errors import ModelUnreadable
from engine.quantized import WeightSource
from nodes.families.headers import DAMAGED, REFETCH, check_start

DTYPES: Mapping[str, torch.dtype] = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


@dataclass(frozen=True, slots=True)
class TensorFact:
    """What the header says of one tensor; ``start`` and ``end`` are byte offsets in the file.

    ``pieces``: of one that is put together of several, stacked along the first dimension. ``coding``: of one whose
    bytes are no plain numbers; ``dtype`` is then that of the bytes, or of what they stand for.
    """

    dtype: torch.dtype
    shape: tuple[int, ...]
    start: int
    end: int
    pieces: tuple[TensorFact, ...] = ()
    coding: Coding | None = None

    @property
    def size_bytes(self) -> int:
        """How much of the file it takes."""
        return sum(piece.size_bytes for piece in self.pieces) if self.pieces else self.end - self.start

    def rows(self, start: int, stop: int) -> TensorFact:
        """Of a part along the first dimension, which is one piece of the file too."""
        if self.coding is not None:
            return self.coding.rows(self, start, stop)
        row_bytes = (self.end - self.start) // self.shape[0]
        shape = (stop - start, *self.shape[1:])
        return replace(self, shape=shape, start=self.start + start * row_bytes, end=self.start + stop * row_bytes)


Read = Callable[[TensorFact], Tensor]


class Coding(Protocol):
    """How bytes of a file stand for a weight; equal ones read equal bytes alike."""

    @property
    def title(self) -> str:
        """All that it is by, other than where in the file that is."""
        ...

    @property
    def beside(self) -> tuple[TensorFact, ...]:
        """The file's other tensors that belong to the weight: its scales."""
        ...

    def source(self, fact: TensorFact, read: Read) -> WeightSource:
        """The weight, with what is stored of it read by ``read``."""
        ...

    def rows(self, fact: TensorFact, start: int, stop: int) -> TensorFact:
        """Of a part along the first dimension."""
        ...


def stacked(pieces: Sequence[TensorFact]) -> TensorFact:
    """One tensor of several, along the first dimension; one piece is itself."""
    if len(pieces) == 1:
        return pieces[0]
    rows = sum(piece.shape[0] for piece in pieces)
    return replace(pieces[0], shape=(rows, *pieces[0].shape[1:]), pieces=tuple(pieces), coding=None)


@dataclass(frozen=True, slots=True)
class Rows:
    """Part of a stored tensor along its first dimension, ``stop`` excluded: one of several weights kept as one."""

    name: str
    start: int
    stop: int


def read_header(path: Path, file: BinaryIO, size_bytes: int) -> tuple[dict[str, Any], int]:
    """The header's JSON object and where the tensors' bytes start."""
    length = check_start(path, file.read(32), size_bytes)
    file.seek(8)
    try:
        header = json.loads(file.read(length))
    except (ValueError, RecursionError) as error:
        raise ModelUnreadable(
            f"model file '{path.name}' is not a safetensors file: its header is no JSON", remedy=DAMAGED
        ) from error
    return header, 8 + length


def read_fact(path: Path, name: str, entry: Any, data_start: int, size_bytes: int) -> TensorFact:
    try:
        kind = entry["dtype"]
        shape = tuple(int(side) for side in entry["shape"])
        begin, end = (int(offset) for offset in entry["data_offsets"])
    except (TypeError, KeyError, ValueError) as error:
        raise ModelUnreadable(
            f"model file '{path.name}': the entry of tensor '{name}' is malformed", remedy=DAMAGED
        ) from error
    if kind not in DTYPES:
        raise ModelUnreadable(
            f"model file '{path.name}': tensor '{name}' is of unknown type {kind}",
            remedy=f"convert it to one of {', '.join(DTYPES)}",
        )
    dtype = DTYPES[kind]
    if min((0, *shape)) < 0 or not 0 <= begin <= end or end - begin != math.prod(shape) * dtype.itemsize:
        raise ModelUnreadable(
            f"model file '{path.name}': the entry of tensor '{name}' contradicts itself", remedy=DAMAGED
        )
    if data_start + end > size_bytes:
        missing = data_start + end - size_bytes
        raise ModelUnreadable(
            f"model file '{path.name}' is truncated: tensor '{name}' ends {missing} bytes past its end",
            remedy=REFETCH,
        )
    return TensorFact(dtype, shape, data_start + begin, data_start + end)
