"""``dagfusion bench --against URL``: what an operator asks of two servers before changing from one to the other."""

from __future__ import annotations

import io
import itertools
import random
import time
from collections.abc import Iterator
from typing import Any

from benchmarks.case import Bench, Figure, Value, case
from benchmarks.drawing import Nodes, text_to_image
from benchmarks.processes import held_mib, listening_at
from benchmarks.rivals import Pair, Server, pair
from benchmarks.timing import in_turns, ratios
from engine.errors import DagfusionError

MIB = 2**20
_PROMPT = "a red circle on a blue background"


@case(
    "beside",
    axes={"checkpoint": ("",), "size_px": (0,), "steps": (20,), "precision": ("auto",)},
    quick={"size_px": (64,), "steps": (2,)},
    repeats=5,
)
def beside(bench: Bench, *, checkpoint: str, size_px: int, steps: int, precision: str) -> Iterator[Figure]:
    """Two servers by the same workflows in turns: pictures/min, cold start, memory.

    ``checkpoint``: by default the first that both have; ``size_px`` 0 is its own size. It is no case of the registry:
    without another server it measures nothing.
    """
    began = time.perf_counter()
    both = pair(bench, device=bench.device, precision=precision)
    ready_s = time.perf_counter() - began
    checkpoint = _in_common(both, checkpoint)
    size_px = size_px or _own_size(bench, checkpoint)
    seeds = itertools.count(random.SystemRandom().randrange(2**40))

    def graph(seed: int) -> Nodes:
        return text_to_image(checkpoint, size_px=size_px, steps=steps, seed=seed, prompt=_PROMPT)

    more: dict[str, Value] = {"checkpoint": checkpoint, "size_px": size_px, "against": both.against}
    yield from _started(ready_s, both.ours, graph(next(seeds)), more)
    yield from _pictures(both, [graph(next(seeds)) for _ in range(bench.repeats + 1)], bench.repeats, more)
    yield from _again(both, graph(next(seeds)), bench.repeats, more)
    yield from _memory(both, more)
    yield from _cold(both, [graph(next(seeds)) for _ in range(bench.repeats)], more)


def _pictures(both: Pair, prompts: list[Nodes], repeats: int, more: dict[str, Value]) -> Iterator[Figure]:
    """Pictures one by one, each the same on both; how far the last one differs."""
    made: dict[str, list[str]] = {"ours": [], "theirs": []}
    servers = {"ours": both.ours, "theirs": both.theirs}

    def draw(side: str) -> None:
        made[side].append(servers[side].run(prompts[len(made[side])]))

    seconds = in_turns({side: lambda side=side: draw(side) for side in servers}, repeats)  # type: ignore[misc]
    for side, subject in (("ours", "dagfusion"), ("theirs", "comfyui")):
        rates = [60 / taken for taken in seconds[side]]
        yield Figure("pictures", "1/min", rates, better="higher", subject=subject, more=more)
    yield Figure("gain", "x", ratios(seconds["theirs"], seconds["ours"]), better="higher", more=more)
    pictures = [_pixels(servers[side].picture(made[side][-1])) for side in ("ours", "theirs")]
    if pictures[0].shape == pictures[1].shape:
        yield Figure("difference", "of 255", [float(abs(pictures[0] - pictures[1]).mean())], more=more)


def _again(both: Pair, prompt: Nodes, repeats: int, more: dict[str, Value]) -> Iterator[Figure]:
    """The same workflow again, which changes nothing: what a server needs that finds all of it in its cache."""
    sides = {"dagfusion": lambda: both.ours.run(prompt), "comfyui": lambda: both.theirs.run(prompt)}
    for subject, seconds in in_turns(sides, repeats).items():
        yield Figure("again", "s", seconds, subject=subject, more=more)


def _memory(both: Pair, more: dict[str, Value]) -> Iterator[Figure]:
    for subject, server in (("dagfusion", both.ours), ("comfyui", both.theirs)):
        process = listening_at(server.url)
        if process is not None:
            yield Figure("memory", "MiB", [held_mib(process)], subject=subject, more=more)
        device: dict[str, Any] = next(iter(server.stats().get("devices", ())), {})
        if str(device.get("type", "")).startswith("cuda") and device.get("torch_vram_total"):
            yield Figure("GPU memory", "MiB", [device["torch_vram_total"] / MIB], subject=subject, more=more)


def _cold(both: Pair, prompts: list[Nodes], more: dict[str, Value]) -> Iterator[Figure]:
    """The first picture after both let go of all models and results."""
    for subject, server in (("dagfusion", both.ours), ("comfyui", both.theirs)):
        seconds = []
        for prompt in prompts:
            server.free()
            began = time.perf_counter()
            server.run(prompt)
            seconds.append(time.perf_counter() - began)
        yield Figure("first picture", "s", seconds, subject=subject, more=more)


def _started(ready_s: float, server: Server, prompt: Nodes, more: dict[str, Value]) -> Iterator[Figure]:
    """From the start of our process, which has drawn nothing yet; the other one runs already."""
    began = time.perf_counter()
    server.run(prompt)
    yield Figure("start", "s", [ready_s], more=more)
    yield Figure("start to picture", "s", [ready_s + time.perf_counter() - began], more=more)


def _in_common(both: Pair, wanted: str) -> str:
    """The wanted checkpoint, or the first that both have. Raises ``DagfusionError`` where they have none in common."""
    common = [name for name in both.theirs.checkpoints() if name in both.ours.checkpoints()]
    if not common or (wanted and wanted not in common):
        what = f"'{wanted}'" if wanted else "no checkpoint of the other server"
        listed = ", ".join(common) or "none"
        remedy = f"in common are: {listed}; --models takes the folder that the other one reads"
        raise DagfusionError(f"{what} is {'not on both servers' if wanted else 'on this one'}", remedy=remedy)
    return wanted or common[0]


def _own_size(bench: Bench, checkpoint: str) -> int:
    """In pixels, of the pictures that it was trained on."""
    from adapters.host.loading import load_folders
    from adapters.host.settings import read_settings
    from adapters.service.prepare.generate.choices import checkpoint_facts

    folders = load_folders(read_settings({} if bench.models is None else {"models": [bench.models]}))
    return checkpoint_facts(folders.find("checkpoints", checkpoint)).side_px


def _pixels(file: bytes) -> Any:
    import numpy as np
    from PIL import Image

    with Image.open(io.BytesIO(file)) as picture:
        return np.asarray(picture.convert("RGB")).astype(float)
