"""``dagfusion bench together``: waiting jobs one after another, and several at once."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from benchmarks.case import Bench, Figure, case
from benchmarks.drawing import MODELS, Studio, checkpoint_of, models_folder, studio, text_to_image
from benchmarks.timing import in_turns, ratios

PROMISED_ON_A_GPU = 1.8
PROMISED_AT = ("sd15", 512, 8)


@case(
    "together",
    axes={
        "model": ("tiny",),
        "size_px": (64, 128, 256),
        "steps": (20,),
        "jobs": (8,),
        "together": (2, 4, 8),
        "precision": ("auto",),
    },
    quick={"size_px": (64,), "steps": (2,), "jobs": (2,), "together": (2,)},
    repeats=3,
    told={
        "gain": "{jobs} waiting jobs of {model} at {size_px} px, {together} at once: pictures/min, against one by one"
    },
)
def together(
    bench: Bench, *, model: str, size_px: int, steps: int, jobs: int, together: int, precision: str
) -> Iterator[Figure]:
    """Jobs that differ in prompt and seed: pictures/min one by one, and with so many jobs' steps computed at once."""
    folder, checkpoint = models_folder(bench, model), checkpoint_of(model)
    size_px = size_px or MODELS[model]
    seeds = bench.once("seeds", lambda: itertools.count(1))

    def open_studio(at_once: int) -> Studio:
        own = bench.folder / f"engine{at_once}"
        make = partial(studio, folder, own, bench.device, precision, together=at_once)
        return bench.open((model, precision, at_once), make)

    draw = {at_once: open_studio(at_once) for at_once in (1, together)}

    def all_jobs(at_once: int) -> Callable[[], None]:
        return lambda: _draw_all(draw[at_once], at_once, [next(seeds) for _ in range(jobs)], checkpoint, size_px, steps)

    seconds = in_turns({"alone": all_jobs(1), "together": all_jobs(together)}, bench.repeats)
    for name, at_once in (("alone", 1), ("together", together)):
        yield Figure(f"pictures {name}", "1/min", [60 * jobs / taken for taken in seconds[name]], better="higher")
        assert draw[at_once].engine.scheduler.joined > 0 or at_once == 1
    promised = PROMISED_ON_A_GPU if bench.device != "cpu" and (model, size_px, jobs) == PROMISED_AT else None
    yield Figure("gain", "x", ratios(seconds["alone"], seconds["together"]), better="higher", bound=promised)


def _draw_all(draw: Studio, at_once: int, seeds: list[int], checkpoint: str, size_px: int, steps: int) -> None:
    def one(seed: int) -> None:
        prompt = f"a red circle and {seed} stars on a blue background"
        draw.run(text_to_image(checkpoint, size_px=size_px, steps=steps, seed=seed, prompt=prompt, prefix=f"s{seed}"))

    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(one, seeds))
