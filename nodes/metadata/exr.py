"""Texts in OpenEXR files: attributes in the header (https://openexr.com/en/latest/OpenEXRFileLayout.html)."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from pathlib import Path

_MAGIC_AND_VERSION_BYTES = 8
_OFFSET_BYTES = 8


def embed(source: Path, target: Path, texts: Mapping[str, str]) -> None:
    """An EXR with ``texts`` as attributes of type ``string``."""
    attributes = [(name, "string", text.encode("utf-8", "replace")) for name, text in texts.items()]
    target.write_bytes(with_attributes(source.read_bytes(), attributes))


def with_attributes(data: bytes, attributes: Iterable[tuple[str, str, bytes]]) -> bytes:
    """A file of one part with further attributes: (name, type, value). Its parts move, and the table of them too."""
    added = b"".join(
        name.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<i", len(value)) + value
        for name, kind, value in attributes
    )
    end = _header_end(data)
    table = end + 1
    (first_part,) = struct.unpack_from("<Q", data, table)
    offsets = struct.unpack_from(f"<{(first_part - table) // _OFFSET_BYTES}Q", data, table)
    moved = struct.pack(f"<{len(offsets)}Q", *(offset + len(added) for offset in offsets))
    return data[:end] + added + b"\0" + moved + data[table + len(moved) :]


def _header_end(data: bytes) -> int:
    """Where the empty name is that ends the attributes."""
    at = _MAGIC_AND_VERSION_BYTES
    while data[at]:
        kind = data.index(b"\0", at) + 1
        size = data.index(b"\0", kind) + 1
        at = size + 4 + struct.unpack_from("<i", data, size)[0]
    return at
