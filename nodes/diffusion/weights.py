"""Opens safetensors files: facts from the header at once, tensors memory-mapped when they are asked for."""

from __future__ import annotations

import json
import math
import mmap
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from engine.errors import ModelUnreadable

MAX_HEADER_BYTES = 100_000_000
# On a CPU with AVX-512 BF16, bfloat16 took 0.59 of float32's time for a UNet of 860 million numbers, 0.70 for one of
# 137 million, 0.54 for a VAE of 84 million; 0.87 for a UNet of 35 million, and as long for a tiny one.
HEAVY_PARAMETERS = 50_000_000
_REFETCH = "the download probably stopped early: fetch the file again"
_DAMAGED = "take a safetensors file, or fetch this one again"

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

# What a file is that is not safetensors, by its first bytes.
_OTHER_FORMATS: tuple[tuple[bytes, str, str], ...] = (
    (b"PK\x03\x04", "a pickle in a zip (torch.save)", "pickles can run code when opened: convert it to safetensors"),
    (b"\x80", "a pickle", "pickles can run code when opened: convert it to safetensors"),
    (b"GGUF", "a GGUF file", "take the safetensors version of this model"),
    (b"<", "a web page or XML", "the download probably failed: fetch the file again"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself", "run `git lfs pull` in its repository"),
)


@dataclass(frozen=True, slots=True)
class TensorFact:
    """What the header says of one tensor; ``start`` and ``end`` are byte offsets in the file."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    start: int
    end: int


class WeightFile:
    """A safetensors file. Its tensors share one private mapping of the file: nothing is read before it is used.

    ``facts``: by tensor name, in file order; ``metadata``: the header's free texts; ``identity``: equal for two
    openings of one unchanged file. Raises ``ModelUnreadable`` where the file is truncated, is not safetensors, or is
    a pickle.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as file:
                stat = os.fstat(file.fileno())
                self.size_bytes = stat.st_size
                self.identity = (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
                header, data_start = _read_header(path, file, self.size_bytes)
                # A private copy-on-write map: torch wants writable memory, and the file must never change.
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        except OSError as error:
            raise ModelUnreadable(
                f"model file '{path.name}' cannot be read: {error.strerror or error}",
                remedy="check that it may be read, and the disk",
            ) from error
        metadata = header.pop("__metadata__", None)
        self.metadata: dict[str, str] = metadata if isinstance(metadata, dict) else {}
        self.facts = {name: _fact(path, name, entry, data_start, self.size_bytes) for name, entry in header.items()}

    def tensor(self, name: str) -> Tensor:
        """The tensor, backed by the file. Copied only where it does not start at a multiple of its item size."""
        fact = self.facts[name]
        count = math.prod(fact.shape)
        if count == 0:
            return torch.empty(fact.shape, dtype=fact.dtype)
        if fact.start % fact.dtype.itemsize:
            raw = torch.frombuffer(bytearray(self._map[fact.start : fact.end]), dtype=torch.uint8)
            return raw.view(fact.dtype).reshape(fact.shape)
        flat = torch.frombuffer(self._map, dtype=fact.dtype, count=count, offset=fact.start)
        return flat.reshape(fact.shape)

    def bytes(self, name: str) -> memoryview:
        """The tensor's bytes as they stand in the file."""
        fact = self.facts[name]
        return memoryview(self._map)[fact.start : fact.end]

    def release(self) -> None:
        """Give back the memory that reading took. The tensors stay readable: the next read fetches them again."""
        if hasattr(self._map, "madvise") and hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)

    def view(self, *prefixes: str) -> WeightView:
        """The tensors whose names start with the first of ``prefixes`` that any name starts with, stripped of it."""
        for prefix in prefixes:
            names = {name[len(prefix) :]: name for name in self.facts if name.startswith(prefix)}
            if names:
                return WeightView(self, names)
        return WeightView(self, {})


class WeightView(Mapping[str, Tensor]):
    """Part of a weight file under names of its own; tensors are made when they are taken out."""

    def __init__(self, file: WeightFile, names: Mapping[str, str]) -> None:
        self.file = file
        self.names = names

    def __getitem__(self, name: str) -> Tensor:
        return self.file.tensor(self.names[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def shape(self, name: str) -> tuple[int, ...]:
        """The tensor's shape, from the header alone."""
        return self.file.facts[self.names[name]].shape

    def fact(self, name: str) -> TensorFact:
        """What the header says of the tensor."""
        return self.file.facts[self.names[name]]

    def bytes(self, name: str) -> memoryview:
        """The tensor's bytes as they stand in the file."""
        return self.file.bytes(self.names[name])

    def count(self, prefix: str) -> int:
        """How many numbered parts there are below ``prefix``: one more than the largest ``N`` in ``prefix.N.``."""
        numbered = re.compile(re.escape(prefix) + r"\.(\d+)\.")
        return 1 + max((int(match[1]) for match in map(numbered.match, self) if match), default=-1)

    def renamed(self, names: Mapping[str, str]) -> WeightView:
        """The tensors of ``names`` (new name -> this view's name) and no others."""
        return WeightView(self.file, {new: self.names[old] for new, old in names.items()})

    @property
    def size_bytes(self) -> int:
        """How much of the file the tensors take."""
        return sum(fact.end - fact.start for fact in map(self.fact, self))

    @property
    def heavy(self) -> bool:
        """Whether computing with the tensors takes so long that a quicker number format is worth its rounding."""
        return sum(math.prod(self.shape(name)) for name in self) >= HEAVY_PARAMETERS


def _read_header(path: Path, file: BinaryIO, size_bytes: int) -> tuple[dict[str, Any], int]:
    """The header's JSON object and where the tensors' bytes start."""
    start = file.read(32)
    length = int.from_bytes(start[:8], "little")
    # The length comes first and may begin with any byte, so other formats are looked for only where no header follows.
    if start[8:9] != b"{" or length > MAX_HEADER_BYTES:
        raise _not_safetensors(path, start, size_bytes)
    if 8 + length > size_bytes:
        raise ModelUnreadable(f"model file '{path.name}' is truncated within its header", remedy=_REFETCH)
    file.seek(8)
    try:
        header = json.loads(file.read(length))
    except (ValueError, RecursionError) as error:
        raise ModelUnreadable(
            f"model file '{path.name}' is not a safetensors file: its header is no JSON", remedy=_DAMAGED
        ) from error
    return header, 8 + length


def _not_safetensors(path: Path, start: bytes, size_bytes: int) -> ModelUnreadable:
    for magic, what, remedy in _OTHER_FORMATS:
        if start.startswith(magic):
            return ModelUnreadable(f"model file '{path.name}' is {what}, not safetensors", remedy=remedy)
    if size_bytes < 9:
        return ModelUnreadable(f"model file '{path.name}' is truncated ({size_bytes} bytes)", remedy=_REFETCH)
    return ModelUnreadable(f"model file '{path.name}' is not a safetensors file", remedy=_DAMAGED)


def _fact(path: Path, name: str, entry: Any, data_start: int, size_bytes: int) -> TensorFact:
    try:
        kind = entry["dtype"]
        shape = tuple(int(side) for side in entry["shape"])
        begin, end = (int(offset) for offset in entry["data_offsets"])
    except (TypeError, KeyError, ValueError) as error:
        raise ModelUnreadable(
            f"model file '{path.name}': the entry of tensor '{name}' is malformed", remedy=_DAMAGED
        ) from error
    if kind not in DTYPES:
        raise ModelUnreadable(
            f"model file '{path.name}': tensor '{name}' is of unknown type {kind}",
            remedy=f"convert it to one of {', '.join(DTYPES)}",
        )
    dtype = DTYPES[kind]
    if min((0, *shape)) < 0 or not 0 <= begin <= end or end - begin != math.prod(shape) * dtype.itemsize:
        raise ModelUnreadable(
            f"model file '{path.name}': the entry of tensor '{name}' contradicts itself", remedy=_DAMAGED
        )
    if data_start + end > size_bytes:
        missing = data_start + end - size_bytes
        raise ModelUnreadable(
            f"model file '{path.name}' is truncated: tensor '{name}' ends {missing} bytes past its end",
            remedy=_REFETCH,
        )
    return TensorFact(dtype, shape, data_start + begin, data_start + end)
