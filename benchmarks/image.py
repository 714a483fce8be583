"""``dagfusion bench image``: whole pictures, from the prompt to the file."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks import rivals
from benchmarks.case import Bench, Figure, Value, case
from benchmarks.drawing import MODELS, Nodes, checkpoint_of, models_folder, studio, text_to_image
from benchmarks.timing import in_turns, ratios
from benchmarks.weights import FAMILIES

if TYPE_CHECKING:
    import numpy as np

EQUAL_PRECISION, OWN_PRECISION = 0.9, 0.6
PROMPTS = (
    "a red circle on a blue background",
    "a large yellow star on a black background",
    "a red circle left of a green square on a white background",
    "two pink hearts on a cyan background",
)


@case(
    "image",
    axes={
        "model": ("tiny", "sd15"),
        "size_px": (0,),
        "steps": (20,),
        "sampler": ("euler", "dpmpp_2m"),
        "deepcache": (1,),
        "precision": ("auto",),
        "attention": ("auto",),
        "compile": ("off",),
    },
    quick={"model": ("tiny",), "size_px": (64,), "steps": (2,), "sampler": ("euler",), "deepcache": (1, 2)},
    repeats=3,
    told={
        "picture": "a picture of {model} at {size_px} px, {steps} steps of {sampler}",
        "ratio": "a picture of {model} at {size_px} px, {steps} steps, {precision} precision, against {against}",
        "speed-up": "DeepCache with interval {deepcache}, {model} at {size_px} px, {steps} steps of {sampler}: speed",
        "PSNR": "DeepCache with interval {deepcache}, {model}, {steps} steps of {sampler}: PSNR against without",
    },
)
def image(
    bench: Bench,
    *,
    model: str,
    size_px: int,
    steps: int,
    sampler: str,
    deepcache: int,
    precision: str,
    attention: str,
    compile: str,
) -> Iterator[Figure]:
    """Whole pictures: seconds, steps/s, pictures/min; with DeepCache, the speed-up and the PSNR against without.

    The PSNR is that of the embedded model: what random weights draw looks like nothing.
    ``size_px`` 0 is the model's own size. With ``--against``, on both servers in turns, where precision float32 is
    what the other one computes in on a CPU.
    """
    size_px = size_px or MODELS.get(model, 512)
    folder = models_folder(bench, model)
    checkpoint = checkpoint_of(model)

    def graph(seed: int, *, interval: int = deepcache, prompt: str = PROMPTS[0]) -> Nodes:
        return text_to_image(
            checkpoint, size_px=size_px, steps=steps, seed=seed, sampler=sampler, prompt=prompt, deepcache=interval
        )

    more: dict[str, Value] = {"size_px": size_px}
    if bench.against is not None:
        computing = {"precision": precision, "attention": attention, "compile": compile}
        both = rivals.pair(bench, models=str(folder.absolute()), device=bench.device, **computing)
        bound = EQUAL_PRECISION if precision == "float32" else OWN_PRECISION
        yield from rivals.compared(both, map(graph, _seeds()), bench.repeats, more, bound=bound)
        return
    make = partial(
        studio, folder, bench.folder / "engine", bench.device, precision, attention=attention, compile=compile
    )
    draw = bench.open((model, precision, attention, compile), make)
    more["dtype"] = draw.dtype(checkpoint)
    seeds = bench.once("seeds", _seeds)
    sides = {str(n): lambda n=n: draw.run(graph(next(seeds), interval=n)) for n in sorted({1, deepcache})}
    seconds = {int(side): taken for side, taken in in_turns(sides, bench.repeats).items()}
    yield from _speeds(seconds[deepcache], steps, more)
    if deepcache > 1:
        yield Figure("speed-up", "x", ratios(seconds[1], seconds[deepcache]), better="higher", more=more)
    if deepcache > 1 and model not in FAMILIES:
        pairs = [
            [draw.picture(graph(number, interval=interval, prompt=prompt)) for interval in (1, deepcache)]
            for number, prompt in enumerate(PROMPTS * bench.repeats)
        ]
        yield Figure("PSNR", "dB", [psnr(plain, cached) for plain, cached in pairs], better="higher", more=more)


def _speeds(seconds: list[float], steps: int, more: dict[str, Value]) -> Iterator[Figure]:
    yield Figure("picture", "s", seconds, more=more)
    yield Figure("steps", "1/s", [steps / taken for taken in seconds], better="higher", more=more)
    yield Figure("pictures", "1/min", [60 / taken for taken in seconds], better="higher", more=more)


def _seeds() -> Iterator[int]:
    """Seeds that no cache knows, also that of a server that other runs have used."""
    return itertools.count(random.SystemRandom().randrange(2**40))


def psnr(picture: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> float:
    """Peak signal to noise of two 8-bit pictures in decibels; 100 where they are the same."""
    error = float(((picture.astype(float) - other.astype(float)) ** 2).mean())
    return 100.0 if error == 0 else min(100.0, 10 * math.log10(255**2 / error))
