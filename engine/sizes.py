"""How much memory a value takes: its parts, with tensors that several values share told apart by their storage."""

from __future__ import annotations

import sys
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from types import MappingProxyType
from typing import Any

from engine.encoded import EncodedFile

Parts = dict[Hashable, int]
_SMALL = (str, bytes, bytearray, int, float, bool, complex, type(None))
# What other objects are taken for: a handle, a function, an enumeration member.
_OBJECT_BYTES = 64


def measure(value: Any) -> tuple[int, Parts]:
    """Bytes of ``value`` that are its own, and of each block that it refers to: tensor storage, array, encoded file.

    Blocks are named by where they lie, so that a block that two values share can be counted once; the names hold as
    long as the value is alive. Walks dataclasses, mappings, sequences, sets; of other objects only the handle counts.
    """
    own_bytes = 0
    blocks: Parts = {}
    seen: set[int] = set()
    stack: list[Any] = [value]
    while stack:
        part = stack.pop()
        if isinstance(part, _SMALL):
            own_bytes += sys.getsizeof(part)
            continue
        if id(part) in seen:
            continue
        seen.add(id(part))
        block = _block(part)
        own_bytes += _OBJECT_BYTES
        if block is not None:
            blocks[block[0]] = max(block[1], blocks.get(block[0], 0))
        else:
            stack += _children(part)
    return own_bytes, blocks


def tensor_bytes(value: Any) -> int:
    """Bytes of the tensors in ``value``, however they are stored; nothing of what lies in a file."""
    torch = sys.modules["torch"]
    total = 0
    stack: list[Any] = [value]
    while stack:
        part = stack.pop()
        if isinstance(part, torch.Tensor):
            total += part.numel() * part.element_size()
        elif not isinstance(part, torch.nn.Module):
            stack += _children(part)
    return total


def _block(part: Any) -> tuple[Hashable, int] | None:
    # Neither library is imported here: a value can only hold a tensor where torch has been imported.
    if isinstance(part, EncodedFile):
        return part.path, part.size_bytes
    torch, numpy = sys.modules.get("torch"), sys.modules.get("numpy")
    if torch is not None and isinstance(part, torch.Tensor):
        if part.layout is not torch.strided or part.device.type == "meta":
            return id(part), 0 if part.device.type == "meta" else part.numel() * part.element_size()
        storage = part.untyped_storage()
        return (str(part.device), storage.data_ptr()), storage.nbytes()
    if numpy is not None and isinstance(part, numpy.ndarray):
        while isinstance(part.base, numpy.ndarray):
            part = part.base
        return ("array", part.__array_interface__["data"][0]), part.nbytes
    return None


def _children(part: Any) -> Iterable[Any]:
    if isinstance(part, list | tuple | set | frozenset):
        return part
    # The two that are usual come first: the question whether something is any Mapping takes longer.
    if isinstance(part, dict | MappingProxyType | Mapping):
        return [*part.keys(), *part.values()]
    if getattr(part, "lies_in_file", False) is True:
        return ()  # Its fields would be read from there.
    if is_dataclass(part) and not isinstance(part, type):
        return [getattr(part, field.name) for field in fields(part)]
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(part, torch.nn.Module):
        return [*part.parameters(), *part.buffers()]
    return ()
