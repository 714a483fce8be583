"""``dagfusion bench transformer``: a pass through a newer family's transformer, against the bare diffusers class."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from benchmarks import networks
from benchmarks import transformer_subjects as subjects
from benchmarks.case import Bench, Figure, case
from benchmarks.step import distance
from benchmarks.timing import in_turns, ratios

if TYPE_CHECKING:
    import torch

BOUND = 1.0


@case(
    "transformer",
    axes={
        "family": tuple(subjects.SUBJECTS),
        "size_px": (512,),
        "batch": (1,),
        "blocks": (2,),
        "dtype": ("float32", "bfloat16"),
        "kernel": ("auto",),
    },
    quick={"family": ("sd3",), "size_px": (128,), "dtype": ("float32",), "blocks": (1,)},
    told={
        "ratio": "a pass through {blocks} full-width blocks of {family} at {size_px} px, {dtype}, "
        "against the bare diffusers class"
    },
)
def transformer(
    bench: Bench, *, family: str, size_px: int, batch: int, blocks: int, dtype: str, kernel: str
) -> Iterator[Figure]:
    """A pass through some blocks of full width, random weights, against the bare diffusers class, by family.

    ``kernel`` as of the case ``step``. ``blocks`` of each kind; a whole model is as many times as long.
    """
    import torch

    from nodes.diffusion.backend import using

    number = networks.format_named(dtype)
    bare, own = subjects.network(family, blocks, number, bench.device)
    given = subjects.latents(family, number, bench.device, size_px=size_px, rows=batch)
    by = networks.backend_by(kernel, "off", bench.device)
    made: dict[str, torch.Tensor] = {}

    def theirs() -> None:
        made["diffusers"] = subjects.subject(family).theirs(bare, given)

    def ours() -> None:
        with using(by):
            made["dagfusion"] = subjects.ours(family, own, given)

    with torch.no_grad(), networks.torch_attention(kernel):
        seconds = in_turns({"diffusers": theirs, "dagfusion": ours}, bench.repeats)
    yield Figure("step", "s", seconds["dagfusion"])
    yield Figure("step", "s", seconds["diffusers"], subject="diffusers")
    yield Figure("ratio", "x", ratios(seconds["dagfusion"], seconds["diffusers"]), bound=BOUND)
    yield Figure("distance", "", [distance(subjects.like(made["dagfusion"], made["diffusers"]), made["diffusers"])])
