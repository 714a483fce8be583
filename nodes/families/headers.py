"""What a model file says of itself, by its header alone and without any library that computes."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

from engine.errors import ModelUnreadable
from nodes.families.gguf_header import MAGIC, read_gguf
from nodes.families.gguf_names import published_names
from nodes.families.marks import Shapes

MAX_HEADER_BYTES = 100_000_000
REFETCH = "the download probably stopped early: fetch the file again"
DAMAGED = "take a safetensors file, or fetch this one again"

# What a file is that is not safetensors, by its first bytes.
_OTHER_FORMATS: tuple[tuple[bytes, str, str], ...] = (
    (b"<", "a web page or XML", "the download probably failed: fetch the file again"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself", "run `git lfs pull` in its repository"),
)


def is_pickled(start: bytes) -> bool:
    """Whether a file that begins so (9 bytes) is a pickle, in a zip or bare."""
    if start[8:9] == b"{":  # a safetensors file, whose length comes first and may begin with any bytes
        return False
    return start.startswith(b"PK\x03\x04") or (start[:1] == b"\x80" and start[1:2] in b"\x02\x03\x04\x05")


def is_gguf(start: bytes) -> bool:
    """Whether a file that begins so (9 bytes) is a GGUF file."""
    return start.startswith(MAGIC) and start[8:9] != b"{"


def check_start(path: Path, start: bytes, size_bytes: int) -> int:
    """The length of the header of a safetensors file that begins so. Raises ``ModelUnreadable`` for other formats."""
    length = int.from_bytes(start[:8], "little")
    # The length comes first and may begin with any byte, so other formats are looked for only where no header follows.
    if start[8:9] != b"{" or length > MAX_HEADER_BYTES:
        raise _not_safetensors(path, start, size_bytes)
    if 8 + length > size_bytes:
        raise ModelUnreadable(f"model file '{path.name}' is truncated within its header", remedy=REFETCH)
    return length


def read_shapes(path: Path) -> Shapes | None:
    """By the tensors' names, or None for a file of another format than safetensors, or a damaged one."""
    try:
        return shapes_of(path)
    except (OSError, ModelUnreadable):
        return None


def shapes_of(path: Path) -> Shapes:
    """By the tensors' names; none of a pickle, which has to be read. Raises ``ModelUnreadable`` and ``OSError``."""
    stat = path.stat()
    return _shapes_of(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=64)
def _shapes_of(path: Path, size_bytes: int, _changed: int) -> Shapes:
    with path.open("rb") as file:
        start = file.read(32)
        if is_pickled(start):
            return {}
        if is_gguf(start):
            header = read_gguf(path)
            names = published_names(header.architecture, header.tensors)
            return {names[name]: tensor.shape for name, tensor in header.tensors.items()}
        length = check_start(path, start, size_bytes)
        file.seek(8)
        try:
            header = json.loads(file.read(length))
            header.pop("__metadata__", None)
            ends = [8 + length + int(entry["data_offsets"][1]) for entry in header.values()]
            found = {name: tuple(int(side) for side in entry["shape"]) for name, entry in header.items()}
        except (ValueError, RecursionError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise ModelUnreadable(f"model file '{path.name}' has a damaged header", remedy=DAMAGED) from error
    if max(ends, default=0) > size_bytes:
        missing = max(ends) - size_bytes
        raise ModelUnreadable(f"model file '{path.name}' is truncated: {missing} bytes are missing", remedy=REFETCH)
    return found


def _not_safetensors(path: Path, start: bytes, size_bytes: int) -> ModelUnreadable:
    for magic, what, remedy in _OTHER_FORMATS:
        if start.startswith(magic):
            return ModelUnreadable(f"model file '{path.name}' is {what}, not safetensors", remedy=remedy)
    if size_bytes < 9:
        return ModelUnreadable(f"model file '{path.name}' is truncated ({size_bytes} bytes)", remedy=REFETCH)
    return ModelUnreadable(f"model file '{path.name}' is not a safetensors file", remedy=DAMAGED)
