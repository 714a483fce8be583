"""``dagfusion bench load``: opening, reading, swapping and patching networks of full size, as stored in fp16."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import fresh
from benchmarks.case import Bench, Figure, case
from benchmarks.resident import MIB, Peak
from benchmarks.weights import Shapes, random_tensors

if TYPE_CHECKING:
    from engine.model_store import ModelStore
    from nodes.values import Model

BOUND = 1.15
RANK = 32
WHAT = ("cold", "warm", "lora", "swap")


@case(
    "load",
    axes={"family": ("sd15", "sdxl"), "what": WHAT},
    quick={"family": ("small",), "what": ("lora",)},
    repeats=3,
    told={
        "read": "{family}'s UNet, {what}: every weight read",
        "lora apply": "{family}: a LoRA of rank 32 folded in",
        "swap to the second": "{family}: to another checkpoint of the same size",
        "swap back": "{family}: and back",
        "peak over the file": "{family}'s UNet, {what}: peak memory over the file's size",
    },
)
def load(bench: Bench, *, family: str, what: str) -> Iterator[Figure]:
    """Checkpoint load (cold: its pages dropped before), swap, LoRA on and off, by size; peak memory against the file.

    Each sample is a process of its own. A LoRA is taken off, and a swap back made, from what is still held.
    """
    folder = bench.once(family, lambda: write_files(bench.folder / family, family))
    seconds: dict[str, list[float]] = defaultdict(list)
    peaks = []
    for _ in range(bench.repeats):
        row = in_a_process(what, folder)
        for name, took in row["seconds"].items():
            seconds[name].append(took)
        peaks.append(row["peak_bytes"] / row["file_bytes"])
    for name, samples in seconds.items():
        yield Figure(name, "s", samples, dtype="float16")
    yield Figure("peak over the file", "x", peaks, bound=None if family == "small" else BOUND, dtype="float16")


def write_files(folder: Path, family: str) -> Path:
    """``a`` and ``b``: random UNets of the family's size in fp16; ``lora``: rank 32 on the attentions."""
    from safetensors.torch import save_file

    from benchmarks.networks import unet_shapes

    folder.mkdir(parents=True)
    shapes = unet_shapes(family)
    for seed, name in enumerate(("a", "b")):
        save_file(dict(random_tensors(shapes, seed)), folder / f"{name}.safetensors")
    pairs: Shapes = {}
    for key, shape in shapes.items():
        if ".attn" in key and key.endswith("weight") and len(shape) == 2:
            stem = f"lora_unet_{key.removesuffix('.weight').replace('.', '_')}"
            pairs |= {f"{stem}.lora_down.weight": (RANK, shape[1]), f"{stem}.lora_up.weight": (shape[0], RANK)}
    save_file(dict(random_tensors(pairs, 2)), folder / "lora.safetensors")
    return folder


def evict(path: Path) -> None:
    """Ask the kernel to drop the file's pages."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def touch(models: ModelStore, model: Model) -> None:
    """Lend the network once and read every weight of it, as a first step would."""
    with models.lease(model.weights, model.weight_patches) as module:
        for parameter in module.parameters():
            parameter.view(-1)[:: 4096 // parameter.element_size()].sum()


def measure(what: str, folder: Path) -> dict[str, Any]:
    """One case in this process; ``seconds`` by what was done."""
    from engine.model_store import ModelStore
    from nodes.diffusion.checkpoints import load_unet
    from nodes.diffusion.lora import apply_lora

    models = ModelStore("cpu", "float16")
    path = folder / "a.safetensors"
    seconds: dict[str, float] = {}

    def timed(name: str, call: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        made = call()
        seconds[name] = time.perf_counter() - start
        return made

    with Peak() as peak:
        model = timed("open", lambda: load_unet(path))
        timed("read", lambda: touch(models, model))
    if what == "lora":
        lora = folder / "lora.safetensors"
        put_on = partial(apply_lora, models, model, None, lora, strength_model=0.8, strength_clip=0.0, note=print)
        changed, _ = timed("lora open", put_on)
        timed("lora apply", lambda: touch(models, changed))
        timed("lora off", lambda: touch(models, model))
    if what == "swap":
        other = load_unet(folder / "b.safetensors")
        timed("swap to the second", lambda: touch(models, other))
        timed("swap back", lambda: touch(models, model))
    peak_bytes = (peak.mib - peak.before_mib) * MIB
    return {"file_bytes": path.stat().st_size, "peak_bytes": peak_bytes, "seconds": seconds}


def in_a_process(what: str, folder: Path) -> dict[str, Any]:
    """The case in a fresh process."""
    if what == "cold":
        evict(folder / "a.safetensors")
    return dict(fresh.in_a_process("benchmarks.load", "--case", what, "--folder", str(folder)))


def main() -> None:
    """The process of :func:`in_a_process`."""
    parser = argparse.ArgumentParser(description="Part of `dagfusion bench load`.")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--case", choices=WHAT, required=True)
    given = parser.parse_args()
    print(json.dumps(measure(given.case, given.folder)))


if __name__ == "__main__":
    main()
