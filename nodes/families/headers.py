"""The shapes of a model file's tensors, by its header alone and without any library that computes."""

from __future__ import annotations

import json
from pathlib import Path

from nodes.families.marks import Shapes

MAX_HEADER_BYTES = 100_000_000


def read_shapes(path: Path) -> Shapes | None:
    """By the tensors' names, or None for a file of another format than safetensors, or a damaged one."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 0 < length <= MAX_HEADER_BYTES:
                return None
            header = json.loads(file.read(length))
        return {name: tuple(entry["shape"]) for name, entry in header.items() if name != "__metadata__"}
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return None
