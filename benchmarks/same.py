"""``dagfusion bench same``: the embedded model's pictures on the device, against those of the CPU in float32."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.case import Bench, Figure, case
from benchmarks.drawing import MODELS, checkpoint_of, models_folder, studio, text_to_image
from benchmarks.image import psnr

if TYPE_CHECKING:
    import numpy as np

    Picture = np.ndarray[Any, np.dtype[np.uint8]]

SEEDS = (1, 2, 3)
LEAST_DB: dict[str, float] = {"float32": 40.0, "auto": 25.0}
"""What a picture may be off by: of the order of sums alone, or of the number format as well."""


@case(
    "same",
    axes={"model": ("tiny",), "precision": ("float32", "auto"), "compile": ("off", "default")},
    quick={"precision": ("float32",), "compile": ("off",)},
    told={"PSNR": "{model}'s pictures, {precision}, compile {compile}, on {device}: PSNR against the CPU's in float32"},
)
def same(bench: Bench, *, model: str, precision: str, compile: str) -> Iterator[Figure]:
    """Whether a device draws what the CPU draws: PSNR of a few pictures, and the least that is right."""
    folder, checkpoint = models_folder(bench, model), checkpoint_of(model)
    graphs = [text_to_image(checkpoint, size_px=MODELS[model], steps=8, seed=seed) for seed in SEEDS]

    def pictures(side: str, device: str, number: str, compiled: str) -> list[Picture]:
        make = partial(studio, folder, bench.folder / side, device, number, compile=compiled)
        draw = bench.open((side, model, device, number, compiled), make)
        return [draw.picture(graph) for graph in graphs]

    expected = bench.once(("expected", model), lambda: pictures("expected", "cpu", "float32", "off"))
    made = pictures("made", bench.device, precision, compile)
    likeness = [psnr(one, other) for one, other in zip(made, expected, strict=True)]
    yield Figure("PSNR", "dB", likeness, better="higher", bound=LEAST_DB.get(precision, LEAST_DB["auto"]))
