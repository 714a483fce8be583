"""Writes the tiny random models of the recorded families: a book of shapes becomes files in their public layouts.

An entry of a book says of one file: ``seed`` of one NumPy PCG64 stream, drawn in the order of ``shapes``, so that every
machine gets the same bits; ``gain`` of matrices (standard deviation gain / sqrt(fan-in)); ``fill``, rules
[pattern, kind, value] of which the first whose pattern is found in a name wins; ``dtype`` (float16, or as said).
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

_EMBEDDING = re.compile(r"(^|[._])(token_embedding|embed_tokens|shared|embedding|emb)[._]?(weight|params)?$")


def write(book: Path, folder: Path) -> Path:
    """Every file of ``book`` under ``folder``, which is returned: a ComfyUI ``models`` folder."""
    entries: dict[str, dict[str, Any]] = json.loads(book.read_text())
    for name, entry in entries.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = np.random.Generator(np.random.PCG64(entry["seed"]))
        save_file({key: _tensor(stream, key, tuple(shape), entry) for key, shape in entry["shapes"].items()}, path)
    return folder


def _tensor(stream: np.random.Generator, name: str, shape: tuple[int, ...], entry: dict[str, Any]) -> NDArray[Any]:
    drawn = stream.standard_normal(shape)
    return np.ascontiguousarray(_shaped(drawn, name, shape, entry), dtype=entry.get("dtype", "float16"))


def _shaped(drawn: NDArray[Any], name: str, shape: tuple[int, ...], entry: dict[str, Any]) -> Any:
    for pattern, kind, value in entry.get("fill", []):
        if re.search(pattern, name):
            return {"normal": value * drawn, "around1": 1 + value * drawn, "const": np.full(shape, value)}[kind]
    if len(shape) <= 1:
        return 1 + 0.1 * drawn if name.endswith(("weight", "scale", "gamma")) else 0.05 * drawn
    if _EMBEDDING.search(name):
        return 0.4 * drawn
    return drawn * entry.get("gain", 1.0) / math.sqrt(math.prod(shape[1:]))
