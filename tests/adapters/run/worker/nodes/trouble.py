"""Nodes that take their time or do harm, for tests of the worker."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from engine.context import Context
from engine.inputs import Int, Text
from engine.registry import node
from engine.types import Image

Number = Annotated[int, Int()]
Words = Annotated[str, Text()]


@node("Wait", category="test", output_node=True)
def wait(ctx: Context, *, tenths: Number = 10, mark: Words = "") -> None:
    """Waits, tenths of a second at a time, and notices when it is to stop. Shows ``mark``."""
    for step in range(tenths):
        ctx.progress(step, tenths)
        time.sleep(0.1)
    ctx.show("text", mark or str(tenths))


@node("Gate", category="test", output_node=True)
def gate(ctx: Context, *, folder: Words = "", steps: Number = 10) -> None:
    """Says in ``folder`` which step it takes, and goes on when it is let through (``go``) or told to stop."""
    for step in range(1, steps + 1):
        Path(folder, f"step-{step}").touch()
        while not (Path(folder, f"go-{step}").exists() or ctx.cancel.cancelled):
            time.sleep(0.01)
        ctx.progress(step, steps)


@node("OfThisProcess", category="test", cacheable=False)
def of_this_process(ctx: Context) -> Image:
    """Three pictures that no other process makes."""
    import torch

    generator = torch.Generator().manual_seed(os.getpid())
    return Image(torch.rand(3, 8, 8, 3, generator=generator))


@node("SlowFile", category="test", output_node=True, aside=True)
def slow_file(ctx: Context, *, folder: Words = "", steps: Number = 1) -> None:
    """Works on a file for as long as :func:`gate` is kept waiting."""
    gate(ctx, folder=folder, steps=steps)


@node("Stubborn", category="test", output_node=True)
def stubborn(ctx: Context, *, tenths: Number = 10, end: Words = "") -> None:
    """Waits and notices nothing but the file ``end``."""
    for _ in range(tenths):
        if end and Path(end).exists():
            return
        time.sleep(0.1)


@node("Hog", category="test", output_node=True)
def hog(ctx: Context, *, seed: Number = 0) -> None:
    """Runs out of memory."""
    raise MemoryError("no memory left")


@node("Crash", category="test", output_node=True)
def crash(ctx: Context, *, unless: Words = "", seed: Number = 0) -> None:
    """Ends its process as the kernel does when memory is short, unless the file ``unless`` is there; makes it first."""
    marker = Path(unless) if unless else None
    if marker is not None and marker.exists():
        ctx.show("text", "survived")
        return
    if marker is not None:
        marker.touch()
    os.kill(os.getpid(), signal.SIGKILL)


@node("Meet", category="test", output_node=True)
def meet(ctx: Context, *, others: Number = 2, tries: Number = 1000, mark: Words = "", end: Words = "") -> None:
    """Computes step after step until one is computed together with so many others, or there is the file ``end``.

    Shows whether they met.
    """

    def step(parts: Sequence[int]) -> list[int]:
        time.sleep(0.01)
        return [len(parts)] * len(parts)

    for number in range(tries):
        ctx.progress(number, tries)
        if ctx.scheduler.together("meeting", 0, step) > others:
            ctx.show("text", "met")
            return
        if end and Path(end).exists():
            break
    ctx.show("text", "alone")


@node("HoldsInterpreter", category="test", output_node=True)
def hold_interpreter(ctx: Context, *, seconds: Number = 60) -> None:
    """Lets no other thread run for so long, as an endless regular expression does."""
    import ctypes

    ctypes.PyDLL(None).sleep(seconds)


@node("GatedPicture", category="test", cacheable=False)
def gated_picture(ctx: Context, *, folder: Words = "") -> Image:
    """A picture of one colour, for whoever is let through as in :func:`gate`, even though told to stop meanwhile."""
    import torch

    (Path(folder) / f"at-{os.getpid()}").touch()
    while not Path(folder, f"go-{os.getpid()}").exists():
        time.sleep(0.01)
    return Image(torch.full((1, 8, 8, 3), 0.5))
