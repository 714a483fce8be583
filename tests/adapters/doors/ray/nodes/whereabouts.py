"""A node that tells where it runs, and takes its time."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated, Any

from engine.context import Context
from engine.inputs import Int, Text, Wire
from engine.registry import node

Number = Annotated[int, Int()]
Words = Annotated[str, Text()]
Image = Annotated[Any, Wire("IMAGE", optional=True)]


@node("Whereabouts", category="test", output_node=True)
def whereabouts(ctx: Context, *, file: Words = "", tenths: Number = 0, seed: Number = 0, after: Image = None) -> None:
    """Adds its process id to ``file``, waits, and shows the process id and how many networks were loaded there.

    Of those that name a ``file``, the first one waits.
    """
    first = not (file and Path(file).exists())
    if file:
        with Path(file).open("a") as lines:
            lines.write(f"{os.getpid()}\n")
    for step in range(tenths if first else 0):
        ctx.progress(step, tenths)
        time.sleep(0.1)
    ctx.show("text", f"{os.getpid()} {ctx.models.loads}")
