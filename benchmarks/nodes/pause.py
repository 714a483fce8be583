"""A node that takes time without using the processor."""

from __future__ import annotations

import time
from typing import Annotated

from engine.context import Context
from engine.inputs import Float, Int
from engine.registry import node
from engine.types import Image


@node("Pause", category="benchmarks")
def pause(
    ctx: Context, *, image: Image, steps: Annotated[int, Int(min=1)] = 10, step_s: Annotated[float, Float()] = 0.05
) -> Image:
    """Passes ``image`` on after ``steps`` times ``step_s``, and reports each step."""
    for step in range(steps):
        time.sleep(step_s)
        ctx.progress(step + 1, steps)
    return image
