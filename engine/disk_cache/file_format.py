"""One entry as the bytes of a safetensors file, with a hash over all of them; read back only where that is right."""

from __future__ import annotations

import hashlib
import json
import struct
from typing import Any

import safetensors.torch
from safetensors import SafetensorError

from engine.disk_cache.values import Kinds, Unwritable, laid_bare
from engine.entry import Entry

# Counted up when what is in the files changes.
FORMAT = "2"
_SIZE_BYTES = 8  # at the start of a safetensors file: how long its header is
_UNKNOWN = b"0" * 64
# Where the hash stands in the header. Quotes inside of JSON texts are escaped, so it stands there once.
_MARK = b'"sha256":"'


class Damaged(ValueError):
    """The bytes are not those that were written for this name."""


def to_bytes(name: str, entry: Entry, kinds: Kinds, seconds: float = 0.0) -> bytes:
    """The file of an entry that took ``seconds`` to make. Raises ``Unwritable`` for values that have no exact form."""
    packed, tensors = kinds.pack(entry.values)
    try:
        metadata = {
            "name": name,
            "seconds": f"{seconds:.3f}",
            "values": json.dumps(packed),
            "sha256": _UNKNOWN.decode(),
        }
        numbered = {str(number): laid_bare(tensor) for number, tensor in enumerate(tensors)}
        data = bytearray(safetensors.torch.save(numbered, metadata))
    except (SafetensorError, KeyError, ValueError, RecursionError) as error:
        raise Unwritable(f"{error}") from error
    start = _hash_start(data)
    data[start : start + len(_UNKNOWN)] = hashlib.sha256(data).hexdigest().encode()
    return bytes(data)


def from_bytes(name: str, data: bytes, kinds: Kinds) -> tuple[Entry, float]:
    """The entry that was written under ``name``, and the seconds that it took to make. Raises ``Damaged``."""
    try:
        start = _hash_start(data)
        found = hashlib.sha256(memoryview(data)[:start])
        found.update(_UNKNOWN)
        found.update(memoryview(data)[start + len(_UNKNOWN) :])
        if found.hexdigest().encode() != data[start : start + len(_UNKNOWN)]:
            raise Damaged("its hash is another")
        metadata = _header(data)["__metadata__"]
        if metadata["name"] != name:
            raise Damaged("it was written for another name")
        tensors = safetensors.torch.load(data)
        numbered = [tensors[str(number)] for number in range(len(tensors))]
        return Entry(kinds.unpack(json.loads(metadata["values"]), numbered)), float(metadata["seconds"])
    except Damaged:
        raise
    except (SafetensorError, ValueError, KeyError, TypeError, IndexError, RecursionError, struct.error) as error:
        raise Damaged(f"{error}") from error


def _header_end(data: bytes | bytearray) -> int:
    return _SIZE_BYTES + int.from_bytes(data[:_SIZE_BYTES], "little")


def _header(data: bytes) -> Any:
    return json.loads(data[_SIZE_BYTES : _header_end(data)])


def _hash_start(data: bytes | bytearray) -> int:
    start = data.find(_MARK, _SIZE_BYTES, _header_end(data))
    if start < 0:
        raise Damaged("it has no hash")
    return start + len(_MARK)
