"""``dagfusion bench pipeline``: whole pictures against diffusers' own pipeline, and the least time they can take."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks import floors
from benchmarks.bare import BarePipeline
from benchmarks.case import Bench, Figure, Value, case
from benchmarks.drawing import MODELS, checkpoint_of, models_folder, studio, text_to_image
from benchmarks.image import PROMPTS
from benchmarks.networks import format_named
from benchmarks.timing import in_turns, ratios

_CFG = 4.0


@case(
    "pipeline",
    axes={
        "model": ("sd15",),
        "size_px": (0,),
        "steps": (20,),
        "sampler": ("euler",),
        "precision": ("float32",),
        "attention": ("auto",),
        "compile": ("off",),
        "deepcache": (1,),
    },
    quick={"model": ("tiny",), "size_px": (64,), "steps": (2,)},
    repeats=3,
    told={
        "ratio": "a picture of {model} at {size_px} px, {steps} steps of {sampler}, {dtype}, deepcache {deepcache}, "
        "attention {attention}, compile {compile}: against diffusers' own pipeline",
        "over the floor": "the same, over the least time that reading its weights or multiplying its matrices takes",
    },
)
def pipeline(
    bench: Bench,
    *,
    model: str,
    size_px: int,
    steps: int,
    sampler: str,
    precision: str,
    attention: str,
    compile: str,
    deepcache: int,
) -> Iterator[Figure]:
    """Whole pictures, from the prompt to the file, against diffusers' own pipeline; beside them the floors.

    Both read the same checkpoint and compute in the same number format; each picture has a prompt of its own. The
    pipeline takes torch's attention and is not compiled. ``size_px`` 0 is the model's own size. With DeepCache the
    floors are still those of whole steps.
    """
    size_px = size_px or MODELS.get(model, 512)
    folder, checkpoint = models_folder(bench, model), checkpoint_of(model)
    settings = {"attention": attention, "compile": compile}
    make = partial(studio, folder, bench.folder / "engine", bench.device, precision, **settings)
    draw = bench.open((model, precision, attention, compile), make)
    dtype = draw.dtype(checkpoint)
    bare = bench.once(
        ("bare", model, sampler, dtype), lambda: BarePipeline(draw.engine, checkpoint, sampler, format_named(dtype))
    )
    seeds = bench.once("seeds", itertools.count)

    def ours() -> None:
        seed = next(seeds)
        draw.run(
            text_to_image(
                checkpoint,
                size_px=size_px,
                steps=steps,
                seed=seed,
                sampler=sampler,
                prompt=_prompt(seed),
                cfg=_CFG,
                deepcache=deepcache,
            )
        )

    def theirs(file: Path | None = bench.folder / "bare.png") -> None:
        seed = next(seeds)
        bare.draw(_prompt(seed), size_px=size_px, steps=steps, seed=seed, cfg=_CFG, file=file)

    seconds = in_turns({"dagfusion": ours, "diffusers": theirs}, bench.repeats)
    more: dict[str, Value] = {"size_px": size_px}
    yield Figure("picture", "s", seconds["dagfusion"], more=more, dtype=dtype)
    yield Figure("picture", "s", seconds["diffusers"], subject="diffusers", more=more, dtype=dtype)
    yield Figure("ratio", "x", ratios(seconds["dagfusion"], seconds["diffusers"]), more=more, dtype=dtype)
    measured = bench.once(("floors", dtype), lambda: floors.measure(bench.device, format_named(dtype)))
    each_step, once = bare.weight_bytes
    reading, multiplying = measured.seconds(steps * each_step + once, floors.flops(partial(theirs, None)))
    yield Figure("floor: reading the weights", "s", [reading], subject="device", more=more, dtype=dtype)
    yield Figure("floor: matrix products", "s", [multiplying], subject="device", more=more, dtype=dtype)
    over = [taken / max(reading, multiplying) for taken in seconds["dagfusion"]]
    yield Figure("over the floor", "x", over, more=more, dtype=dtype)


def _prompt(seed: int) -> str:
    return f"{PROMPTS[0]}, number {seed}"  # one that no cache knows
