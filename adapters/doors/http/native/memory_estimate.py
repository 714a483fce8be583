"""How much memory a workflow's models and pictures will take, by file sizes and picture sizes alone."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from pydantic import BaseModel, Field

from engine.folders import OWN_FOLDERS
from engine.inputs import FileChoice
from engine.resolved import ResolvedNode
from engine.validate import Checked

# The widest part of a VAE's decoder: 128 channels of float32 at the picture's size, some four copies of it at a time.
_DECODE_BYTES_PER_PIXEL = 128 * 4 * 4


class ModelFile(BaseModel):
    """A model file that the workflow reads."""

    kind: str = Field(examples=["checkpoints"])
    name: str = Field(examples=["sd_xl_base_1.0.safetensors"])
    size_bytes: int


class MemoryEstimate(BaseModel):
    """Bytes, roughly: weights as they are stored, and work by the largest picture that a node makes from nothing."""

    models: list[ModelFile] = []
    weights_bytes: int = 0
    work_bytes: int = Field(default=0, description="For decoding the largest batch of pictures.")
    total_bytes: int = 0


def estimate(checked: Checked) -> MemoryEstimate:
    """For the nodes that can run."""
    models = {file.name: file for node in checked.nodes.values() for file in _models(node)}
    weights = sum(file.size_bytes for file in models.values())
    work = max((_pixels(node) for node in checked.nodes.values()), default=0) * _DECODE_BYTES_PER_PIXEL
    return MemoryEstimate(
        models=list(models.values()), weights_bytes=weights, work_bytes=work, total_bytes=weights + work
    )


def _models(node: ResolvedNode) -> Iterator[ModelFile]:
    for name, path in node.files.items():
        marker = node.spec.inputs[name].marker
        if isinstance(marker, FileChoice) and marker.kind not in OWN_FOLDERS:
            with suppress(OSError):  # removed since the check
                yield ModelFile(kind=marker.kind, name=str(node.literals[name]), size_bytes=path.stat().st_size)


def _pixels(node: ResolvedNode) -> int:
    sizes: list[Any] = [node.literals.get(name, 1) for name in ("width", "height", "batch_size")]
    if "width" not in node.literals or not all(isinstance(size, int) for size in sizes):
        return 0
    return math.prod(sizes)
