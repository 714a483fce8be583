"""``dagfusion bench step``: one pass through a UNet of full size, against the bare diffusers module."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from benchmarks import floors, networks
from benchmarks.case import Bench, Figure, case
from benchmarks.timing import in_turns, ratios

if TYPE_CHECKING:
    import torch

BOUND = 1.03


@case(
    "step",
    axes={
        "family": ("sd15", "sdxl"),
        "size_px": (512, 1024),
        "batch": (2,),
        "dtype": ("float32", "bfloat16"),
        "kernel": ("auto",),
        "compile": ("off",),
        "channels_last": (0,),
    },
    quick={"family": ("small",), "size_px": (64,), "dtype": ("float32",)},
    told={
        "ratio": "a step of {family}'s UNet at {size_px} px, batch {batch}, {dtype}, against the bare diffusers module"
    },
)
def step(
    bench: Bench, *, family: str, size_px: int, batch: int, dtype: str, kernel: str, compile: str, channels_last: int
) -> Iterator[Figure]:
    """A UNet step against the bare diffusers module, by family, size, batch, dtype, kernel, compile, channels_last.

    ``kernel``: ``auto`` and ``sage`` are this project's (the bare module has torch's choice then); ``flash``,
    ``efficient``, ``cudnn`` and ``math`` are torch's, on both sides. ``compile``: ``off``, ``default`` or
    ``reduce-overhead``, of the bare module's repeated blocks and of this project's parts. Weights are random. Beside it
    stand the floors: the weights read once, and the products at the device's best rate.
    """
    import torch

    from nodes.diffusion import unet
    from nodes.diffusion.backend import using

    number = networks.format_named(dtype)
    network = networks.unet(family, number, bench.device, compile=compile, channels_last=bool(channels_last))
    given = networks.inputs(network, batch, size_px // 8)
    by = networks.backend_by(kernel, compile, bench.device)
    made: dict[str, torch.Tensor] = {}

    def theirs() -> None:
        made["diffusers"] = network(
            given.x, given.timestep, given.context, added_cond_kwargs=given.added, return_dict=False
        )[0]

    def ours() -> None:
        with using(by):
            made["dagfusion"] = unet.predict(network, given.x, given.timestep, given.context, y=given.y)

    with torch.no_grad(), networks.torch_attention(kernel):
        seconds = in_turns({"diffusers": theirs, "dagfusion": ours}, bench.repeats)
        yield Figure("step", "s", seconds["dagfusion"])
        yield Figure("step", "s", seconds["diffusers"], subject="diffusers")
        yield Figure("ratio", "x", ratios(seconds["dagfusion"], seconds["diffusers"]), bound=BOUND)
        yield Figure("distance", "", [distance(made["dagfusion"], made["diffusers"])])
        if compile == "off":
            yield from _floors(bench, network, number, theirs)


def distance(made: torch.Tensor, reference: torch.Tensor) -> float:
    """‖made - reference‖ / ‖reference‖."""
    reference = reference.float()
    return float((made.float() - reference).norm() / reference.norm())


def _floors(bench: Bench, network: Any, number: torch.dtype, call: Callable[[], object]) -> Iterator[Figure]:
    """What the device cannot do better than, for this network and these inputs."""
    measured = bench.once(("floors", number), lambda: floors.measure(bench.device, number))
    weight_bytes = sum(parameter.nbytes for parameter in network.parameters())
    reading, multiplying = measured.seconds(weight_bytes, floors.flops(call))
    yield Figure("floor: reading the weights", "s", [reading], subject="device")
    yield Figure("floor: matrix products", "s", [multiplying], subject="device")
