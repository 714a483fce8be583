"""A node that makes pictures which take as long to write as real ones."""

from __future__ import annotations

from typing import Annotated

from engine.context import Context
from engine.inputs import Int, Seed
from engine.registry import node
from engine.types import Image


@node("Speckled", category="benchmarks")
def speckled(ctx: Context, *, seed: Seed = 0, size_px: Annotated[int, Int(min=1)] = 1024) -> Image:
    """A square picture of noise."""
    import torch

    return Image(torch.rand(1, size_px, size_px, 3, generator=torch.Generator().manual_seed(seed)))
