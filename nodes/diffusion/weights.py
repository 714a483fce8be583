"""Opens weight files: facts of their tensors at once, the tensors memory-mapped when they are asked for."""

from __future__ import annotations

import math
import mmap
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from engine.errors import ModelUnreadable
from engine.quantized import Plain, Quantized, Stacked
from nodes.diffusion.pickled import Pickled
from nodes.diffusion.quantization import check_formats, with_scales
from nodes.diffusion.quantized.gguf_facts import gguf_facts
from nodes.diffusion.weight_header import Rows, TensorFact, read_fact, read_header, stacked
from nodes.families.gguf_header import GgufHeader, read_gguf
from nodes.families.headers import is_gguf, is_pickled

# On a CPU with AVX-512 BF16, bfloat16 took 0.59 of float32's time for a UNet of 860 million numbers, 0.70 for one of
# 137 million, 0.54 for a VAE of 84 million; 0.87 for a UNet of 35 million, and as long for a tiny one.
HEAVY_PARAMETERS = 50_000_000

Place = str | Rows | tuple[str | Rows, ...]
"""Where a tensor is taken from: one by name, rows of one, or several of these stacked along the first dimension."""


class Mapped:
    """A file's bytes: one private mapping of the file, so that nothing is read before it is used."""

    def __init__(self, file: BinaryIO) -> None:
        # A private copy-on-write map: torch wants writable memory, and the file must never change.
        self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)

    def flat(self, fact: TensorFact) -> Tensor:
        """The numbers of a tensor, or of some of its rows, in one dimension; not of an empty one."""
        if fact.start % fact.dtype.itemsize:
            raw = torch.frombuffer(bytearray(self._map[fact.start : fact.end]), dtype=torch.uint8)
            return raw.view(fact.dtype)
        return torch.frombuffer(self._map, dtype=fact.dtype, count=math.prod(fact.shape), offset=fact.start)

    def bytes(self, fact: TensorFact) -> memoryview:
        """The same as bytes."""
        return memoryview(self._map)[fact.start : fact.end]

    def release(self) -> None:
        """Give back the memory that reading took; the next read fetches the bytes again."""
        if hasattr(self._map, "madvise") and hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)


class WeightFile:
    """A safetensors file, a GGUF file, or a pickled one that holds weights alone. Nothing is read before it is used.

    ``facts``: by tensor name, in file order; ``metadata``: the header's free texts; ``gguf``: a GGUF file's header;
    ``identity``: equal for two openings of one unchanged file. Raises ``ModelUnreadable`` where the file is truncated
    or of another format.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as file:
                stat = os.fstat(file.fileno())
                self.size_bytes = stat.st_size
                self.identity = (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
                facts = self._open(file)
        except OSError as error:
            raise ModelUnreadable(
                f"model file '{path.name}' cannot be read: {error.strerror or error}",
                remedy="check that it may be read, and the disk",
            ) from error
        self.facts: Mapping[str, TensorFact] = with_scales(path.name, facts)
        check_formats(path.name, self.metadata, self.facts, self.read)

    def _open(self, file: BinaryIO) -> dict[str, TensorFact]:
        self.metadata: dict[str, str] = {}
        self.gguf: GgufHeader | None = None
        self._stored: Mapped | Pickled
        start = file.read(9)
        if is_gguf(start):
            self.gguf = read_gguf(self.path)
            self._stored = Mapped(file)
            return gguf_facts(self.gguf)
        if is_pickled(start):
            self._stored = Pickled(self.path, self.size_bytes)
            return self._stored.facts
        file.seek(0)
        header, data_start = read_header(self.path, file, self.size_bytes)
        self._stored = Mapped(file)
        metadata = header.pop("__metadata__", None)
        if isinstance(metadata, dict):
            self.metadata = metadata
        return {name: read_fact(self.path, name, one, data_start, self.size_bytes) for name, one in header.items()}

    def tensor(self, name: str) -> Tensor:
        """The tensor, backed by the file. Copied only where it does not start at a multiple of its item size.

        A quantized one is a :class:`engine.quantized.Quantized`.
        """
        return self.read(self.facts[name])

    def read(self, fact: TensorFact) -> Tensor:
        """The tensor that ``fact`` describes; see :meth:`tensor`."""
        if fact.pieces:
            return _together([self.read(piece) for piece in fact.pieces])
        if fact.coding is not None:
            return Quantized(fact.coding.source(fact, self.read), torch.float32)
        if not math.prod(fact.shape):
            return torch.empty(fact.shape, dtype=fact.dtype)
        return self._stored.flat(fact).reshape(fact.shape)

    def bytes(self, fact: TensorFact) -> memoryview:
        """The tensor's bytes as they stand in the file."""
        if fact.pieces:
            return memoryview(bytearray().join(self.bytes(piece) for piece in fact.pieces))
        return self._stored.bytes(fact)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of every tensor, from the header alone."""
        return {name: fact.shape for name, fact in self.facts.items()}

    def release(self) -> None:
        """Give back the memory that reading took. The tensors stay readable: the next read fetches them again."""
        self._stored.release()

    def view(self, *prefixes: str) -> WeightView:
        """The tensors whose names start with the first of ``prefixes`` that any name starts with, stripped of it."""
        for prefix in prefixes:
            facts = {name[len(prefix) :]: fact for name, fact in self.facts.items() if name.startswith(prefix)}
            if facts:
                return WeightView(self, facts)
        return WeightView(self, {})


class WeightView(Mapping[str, Tensor]):
    """Part of a weight file under names of its own; tensors are made when they are taken out."""

    def __init__(self, file: WeightFile, facts: Mapping[str, TensorFact]) -> None:
        self.file = file
        self._facts = facts

    def __getitem__(self, name: str) -> Tensor:
        return self.file.read(self._facts[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._facts)

    def __len__(self) -> int:
        return len(self._facts)

    def __contains__(self, name: object) -> bool:
        return name in self._facts

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of every tensor, from the header alone."""
        return {name: fact.shape for name, fact in self._facts.items()}

    def shape(self, name: str) -> tuple[int, ...]:
        """The tensor's shape, from the header alone."""
        return self._facts[name].shape

    def fact(self, name: str) -> TensorFact:
        """What the header says of the tensor."""
        return self._facts[name]

    def bytes(self, name: str) -> memoryview:
        """The tensor's bytes as they stand in the file."""
        return self.file.bytes(self._facts[name])

    def beside(self, name: str) -> Iterator[memoryview]:
        """The bytes of further tensors that belong to this one, such as scales."""
        fact = self._facts[name]
        for part in fact.pieces or (fact,):
            if part.coding is not None:
                yield from map(self.file.bytes, part.coding.beside)

    def count(self, prefix: str) -> int:
        """How many numbered parts there are below ``prefix``: one more than the largest ``N`` in ``prefix.N.``."""
        numbered = re.compile(re.escape(prefix) + r"\.(\d+)\.")
        return 1 + max((int(match[1]) for match in map(numbered.match, self) if match), default=-1)

    def renamed(self, names: Mapping[str, Place]) -> WeightView:
        """The tensors of ``names`` and no others: new name -> this view's name, or rows of one, or several stacked.

        What is stacked is copied together when it is read.
        """
        return WeightView(self.file, {new: self._find(old) for new, old in names.items()})

    def _find(self, place: Place) -> TensorFact:
        if isinstance(place, tuple):
            return stacked([self._find(piece) for piece in place])
        if isinstance(place, str):
            return self._facts[place]
        return self._facts[place.name].rows(place.start, place.stop)

    @property
    def size_bytes(self) -> int:
        """How much of the file the tensors take."""
        return sum(fact.size_bytes for fact in map(self.fact, self))

    @property
    def heavy(self) -> bool:
        """Whether computing with the tensors takes so long that a quicker number format is worth its rounding."""
        return sum(math.prod(self.shape(name)) for name in self) >= HEAVY_PARAMETERS


def _together(parts: Sequence[Tensor]) -> Tensor:
    """``parts`` one after the other; where one of them is quantized, all stay as they are stored."""
    if not any(isinstance(part, Quantized) for part in parts):
        return torch.cat(list(parts))
    sources = tuple(part.source if isinstance(part, Quantized) else Plain(part) for part in parts)
    return Quantized(Stacked(sources), torch.float32)
