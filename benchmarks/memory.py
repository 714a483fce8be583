"""``dagfusion bench memory``: the most memory that a process needs, case by case."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.case import Bench, Figure, case
from benchmarks.drawing import MODELS, Studio, checkpoint_of, models_folder, networks_of, studio, text_to_image
from benchmarks.fresh import in_a_process
from benchmarks.resident import Peak, vram_peak_mib

WHAT = ("idle", "load", "picture")


@case(
    "memory",
    axes={"what": WHAT, "model": ("tiny", "sd15"), "size_px": (0,), "precision": ("auto",)},
    quick={"what": ("picture",), "model": ("tiny",), "size_px": (64,)},
    repeats=1,
    told={
        "peak RAM": "{what}, {model} at {size_px} px: peak memory of the process",
        "peak VRAM": "{what}, {model} at {size_px} px: peak memory of the GPU",
    },
)
def memory(bench: Bench, *, what: str, model: str, size_px: int, precision: str) -> Iterator[Figure]:
    """Peak RAM and VRAM of a fresh process: an idle engine, a checkpoint read through, a picture of two steps.

    Files that are mapped into memory count as far as they are resident, as the kernel counts them.
    """
    size_px = size_px or MODELS.get(model, 512)
    folder = models_folder(bench, model)
    arguments = [what, checkpoint_of(model), str(size_px), bench.device, precision]
    rams, vrams = [], []
    for number in range(bench.repeats):
        place = bench.folder / f"{what}-{model}-{size_px}-{precision}-{number}"
        ram, vram = in_a_process("benchmarks.memory", str(folder), str(place), *arguments)
        rams.append(ram)
        vrams += [] if vram is None else [vram]
    more = {"size_px": size_px}
    yield Figure("peak RAM", "MiB", rams, more=more)
    if vrams:
        yield Figure("peak VRAM", "MiB", vrams, more=more)


def measure(folder: str, place: str, what: str, checkpoint: str, size_px: str, device: str, precision: str) -> None:
    """In a process of its own: do it and print the peaks in MiB."""
    from adapters.host.settings import let_waiting_threads_sleep

    let_waiting_threads_sleep()
    with Peak() as peak, studio(Path(folder), Path(place), device, precision) as draw:
        nodes = text_to_image(checkpoint, size_px=int(size_px), steps=2, seed=1)
        if what == "load":
            read_through(draw, checkpoint)
        elif what == "picture":
            draw.run(nodes)
    print(json.dumps([peak.mib, vram_peak_mib()]))


def read_through(draw: Studio, checkpoint: str) -> None:
    """Bring each network of the checkpoint to the device, one after the other, and read every weight."""
    for weights in networks_of(draw.engine, checkpoint):
        with draw.engine.models.lease(weights) as network:
            for parameter in network.parameters():
                float(parameter.sum())


if __name__ == "__main__":
    measure(*sys.argv[1:])
