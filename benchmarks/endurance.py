"""``dagfusion bench endurance``: whether memory stays flat over hundreds of jobs with changing models."""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterator
from pathlib import Path

from benchmarks.cache import find_checkpoint, write_variant
from benchmarks.case import Bench, Figure, case
from benchmarks.drawing import Nodes, models_folder, studio, text_to_image
from benchmarks.resident import MIB, resident_mib, vram_held_mib
from engine.workflow import NodeDocument

CHECKPOINTS, LORAS = 4, 6
BOUND = 1.02
CACHE_MIB, NETWORKS_MIB = 4, 192


@case(
    "endurance",
    axes={"jobs": (500,), "steps": (2,)},
    quick={"jobs": (10,)},
    repeats=1,
    told={"growth": "{jobs} jobs over 4 checkpoints and 6 LoRAs: memory in the last fifth over that in the second"},
)
def endurance(bench: Bench, *, jobs: int, steps: int) -> Iterator[Figure]:
    """Resident memory after each of 500 jobs over 4 checkpoints and 6 LoRAs: the last hundred over the second hundred.

    ``jobs``: a multiple of five; the growth compares the median of the last fifth with that of the second. What is kept
    on purpose is bounded by budgets that the first fifth fills: of networks, and of nodes' outputs.
    """
    folder = models_folder(bench, "tiny")
    write_models(folder)
    engine_folder = bench.folder / "engine"
    draw = bench.open("studio", lambda: studio(folder, engine_folder, bench.device, "auto", cache_mib=CACHE_MIB))
    draw.engine.models.budget_bytes = NETWORKS_MIB * MIB
    pick = random.Random(0)
    resident: list[float] = []
    held: list[float] = []
    for number in range(jobs):
        draw.run(job(pick, number, steps))
        resident.append(resident_mib())
        vram = vram_held_mib()
        held += [] if vram is None else [vram]
    yield Figure("resident", "MiB", resident)
    yield Figure("growth", "x", [growth(resident)], bound=BOUND)
    if held:
        yield Figure("VRAM", "MiB", held)
        yield Figure("VRAM growth", "x", [growth(held)], bound=BOUND)


def growth(samples: list[float]) -> float:
    """The median of the last fifth over that of the second."""
    fifth = len(samples) // 5
    return statistics.median(samples[-fifth:]) / statistics.median(samples[fifth : 2 * fifth])


def write_models(folder: Path) -> None:
    """Four checkpoints and six LoRAs of the embedded model's sizes, all of them different."""
    original = find_checkpoint(folder, "tiny.safetensors")
    lora = original.parents[1] / "loras" / "tiny_style.safetensors"
    for number in range(CHECKPOINTS):
        write_variant(original, folder / "checkpoints" / f"model{number}.safetensors", 1 + number / 1024)
    for number in range(LORAS):
        write_variant(lora, folder / "loras" / f"lora{number}.safetensors", 1 + number / 64)


def job(pick: random.Random, number: int, steps: int) -> Nodes:
    """A picture of a seed and a prompt of its own, by a checkpoint and up to two LoRAs taken at random."""
    name = f"model{pick.randrange(CHECKPOINTS)}.safetensors"
    nodes = text_to_image(name, size_px=64, steps=steps, seed=number, prompt=f"a red circle {number}")
    last = "model"
    for lora in pick.sample(range(LORAS), pick.randrange(3)):
        inputs = {"lora_name": f"lora{lora}.safetensors", "strength_model": 0.8, "strength_clip": 0.8}
        inputs |= {"model": [last, 0], "clip": [last, 1]}
        last = f"lora{lora}"
        nodes[last] = NodeDocument(class_type="LoraLoader", inputs=inputs)
    nodes["sampler"].inputs["model"] = [last, 0]
    for node in ("positive", "negative"):
        nodes[node].inputs["clip"] = [last, 1]
    return nodes
