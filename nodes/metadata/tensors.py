"""Texts in safetensors files (saved latents): in the header, as their metadata."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Mapping
from pathlib import Path


def embed(source: Path, target: Path, texts: Mapping[str, str]) -> None:
    """A safetensors file with ``texts`` as its ``__metadata__``."""
    with source.open("rb") as file, target.open("xb") as copy:
        (size,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(size))
        header = {"__metadata__": {**header.pop("__metadata__", {}), **texts}, **header}
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)  # tensors begin at a multiple of 8 bytes
        copy.write(struct.pack("<Q", len(text)) + text)
        shutil.copyfileobj(file, copy)
