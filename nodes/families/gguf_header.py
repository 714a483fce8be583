"""The header of a GGUF file, llama.cpp's format: its metadata, and where which tensor is, checked against its size.

Lists of texts, such as the 150,000 tokens of a vocabulary, are passed over until somebody asks for them; the reader of
the ``gguf`` package makes arrays of each text, which takes seconds and hundreds of MB.
"""

from __future__ import annotations

import math
import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from engine.errors import ModelUnreadable

MAGIC = b"GGUF"
_REFETCH = "the download probably stopped early: fetch the file again"
_DAMAGED = "fetch the file again"
_VERSIONS = (2, 3)
_ALIGNMENT = 32
_MOST_DIMENSIONS = 4
# Types of metadata by number: struct's letters, and those that are not of one size.
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_TEXT, _LIST = 8, 9
_LEAST_ENTRY_BYTES = {"metadata": 13, "tensors": 25}


@dataclass(frozen=True, slots=True)
class GgufTensor:
    """``kind``: the format of its blocks, such as ``Q4_K``; ``shape``: as torch has it, the last dimension innermost.

    ``start`` and ``end`` are offsets in the file.
    """

    kind: str
    shape: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class GgufList:
    """A list in the metadata: ``kind`` of its items by GGUF's number, how many, and where they begin."""

    kind: int
    count: int
    start: int


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """``metadata``: numbers, texts, and lists that :meth:`items` reads; ``tensors`` by name, in file order."""

    path: Path
    metadata: Mapping[str, Any]
    tensors: Mapping[str, GgufTensor]

    @property
    def architecture(self) -> str:
        """What the file says that it holds, ``flux`` or ``qwen3``, say; empty where it says nothing."""
        return str(self.metadata.get("general.architecture", ""))

    def items(self, name: str) -> list[Any]:
        """A list of the metadata, read now; empty where there is none of that name."""
        found = self.metadata.get(name)
        if not isinstance(found, GgufList):
            return []
        with self.path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _Reader(self.path, data, found.start).list_items(found)


def read_gguf(path: Path) -> GgufHeader:
    """The header of the file. Raises ``ModelUnreadable`` naming what is wrong, and with which tensor."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        reader = _Reader(path, data, len(MAGIC))
        version = reader.number("I")
        if version not in _VERSIONS:
            swapped = int.from_bytes(version.to_bytes(4, "little"), "big") in _VERSIONS
            what = "is in the other byte order" if swapped else f"is of GGUF's version {version}"
            raise ModelUnreadable(
                f"model file '{path.name}' {what}", remedy="take a little-endian GGUF file of version 2 or 3"
            )
        count, entries = reader.count("tensors"), reader.count("metadata")
        metadata = dict(reader.entry() for _ in range(entries))
        listed = [reader.tensor() for _ in range(count)]
        alignment = metadata.get("general.alignment", _ALIGNMENT)
        if not isinstance(alignment, int) or alignment <= 0 or alignment & (alignment - 1):
            raise reader.damaged(f"its alignment {alignment!r} is no power of two")
        start = -(-reader.at // alignment) * alignment
        tensors: dict[str, GgufTensor] = {}
        for name, sides, kind, offset in listed:
            if name in tensors:
                raise reader.damaged(f"tensor '{name}' is in it twice")
            shape = _shape(reader, name, sides, metadata)
            tensors[name] = _placed(reader, name, sides, shape, kind, start + offset)
    return GgufHeader(path, metadata, tensors)


@dataclass(slots=True)
class _Reader:
    """Reads one value after the other from ``data``, and says of which file it is where there is none."""

    path: Path
    data: mmap.mmap
    at: int

    def damaged(self, why: str) -> ModelUnreadable:
        return ModelUnreadable(f"model file '{self.path.name}' has a damaged GGUF header: {why}", remedy=_DAMAGED)

    def bytes(self, count: int) -> bytes:
        if count > len(self.data) - self.at:
            raise ModelUnreadable(f"model file '{self.path.name}' is truncated within its header", remedy=_REFETCH)
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, letter: str) -> Any:
        return struct.unpack(f"<{letter}", self.bytes(struct.calcsize(f"<{letter}")))[0]

    def text(self) -> str:
        try:
            return self.bytes(self.number("Q")).decode()
        except UnicodeDecodeError as error:
            raise self.damaged("a text in it is not UTF-8") from error

    def count(self, what: str) -> int:
        found = int(self.number("Q"))
        if found * _LEAST_ENTRY_BYTES[what] > len(self.data):
            raise self.damaged(f"it claims {found} {what}, more than the file has room for")
        return found

    def entry(self) -> tuple[str, Any]:
        name, kind = self.text(), self.number("I")
        return name, self.value(name, kind)

    def value(self, name: str, kind: int) -> Any:
        if kind == _LIST:
            items = GgufList(self.number("I"), int(self.number("Q")), self.at)
            self.pass_over(name, items)
            return items
        if kind == _TEXT:
            return self.text()
        if kind not in _SCALARS:
            raise self.damaged(f"'{name}' is of unknown type {kind}")
        return self.number(_SCALARS[kind])

    def pass_over(self, name: str, items: GgufList) -> None:
        if items.kind in _SCALARS:
            self.bytes(items.count * struct.calcsize(_SCALARS[items.kind]))
        elif items.kind == _TEXT:
            for _ in range(items.count):
                self.bytes(self.number("Q"))
        else:
            raise self.damaged(f"'{name}' is a list of unknown type {items.kind}")

    def list_items(self, items: GgufList) -> list[Any]:
        if items.kind == _TEXT:
            return [self.text() for _ in range(items.count)]
        letter = _SCALARS[items.kind]
        return list(struct.unpack(f"<{items.count}{letter}", self.bytes(items.count * struct.calcsize(letter))))

    def tensor(self) -> tuple[str, tuple[int, ...], int, int]:
        """Name, sides as they are stored (innermost first), type, and offset among the tensors."""
        name, count = self.text(), int(self.number("I"))
        if count > _MOST_DIMENSIONS:
            raise self.damaged(f"tensor '{name}' has {count} dimensions")
        sides = tuple(int(self.number("Q")) for _ in range(count))
        return name, sides, int(self.number("I")), int(self.number("Q"))


def _shape(reader: _Reader, name: str, sides: tuple[int, ...], metadata: Mapping[str, Any]) -> tuple[int, ...]:
    """As torch has it; of a tensor that was folded to be quantized, as it was before."""
    stored = tuple(reversed(sides))
    folded = metadata.get(f"comfy.gguf.orig_shape.{name}")
    if not isinstance(folded, GgufList):
        return stored
    shape = tuple(_Reader(reader.path, reader.data, folded.start).list_items(folded))
    if not all(isinstance(side, int) and side > 0 for side in shape) or math.prod(shape) != math.prod(stored):
        raise reader.damaged(f"tensor '{name}' cannot have been of the shape {list(shape)}: it is {list(stored)}")
    return shape


def _placed(
    reader: _Reader, name: str, sides: tuple[int, ...], shape: tuple[int, ...], number: int, start: int
) -> GgufTensor:
    if number not in block_formats():
        known = ", ".join(title for title, *_ in block_formats().values())
        raise ModelUnreadable(
            f"model file '{reader.path.name}': tensor '{name}' is of unknown GGUF type {number}",
            remedy=f"take the model in one of {known}",
        )
    title, block, block_bytes = block_formats()[number]
    if (sides[0] if sides else 1) % block:
        raise reader.damaged(f"tensor '{name}' is {title}, in blocks of {block}, but its rows have {sides[0]} numbers")
    end = start + math.prod(sides) // block * block_bytes
    if end > len(reader.data):
        raise ModelUnreadable(
            f"model file '{reader.path.name}' is truncated: tensor '{name}' ends {end - len(reader.data)} bytes past "
            "its end",
            remedy=_REFETCH,
        )
    return GgufTensor(title, shape, start, end)


@cache
def block_formats() -> Mapping[int, tuple[str, int, int]]:
    """By GGUF's number: the format's name, numbers of a block, bytes of a block."""
    from gguf import GGML_QUANT_SIZES

    unread = ("Q8_1", "Q8_K", "Q1_0")  # of llama.cpp's own activations, and those that the package cannot read
    return {int(kind): (kind.name, *sizes) for kind, sizes in GGML_QUANT_SIZES.items() if kind.name not in unread}
