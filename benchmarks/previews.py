"""``dagfusion bench previews``: what showing unfinished pictures costs, as a part of a step."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks import networks
from benchmarks.case import Bench, Figure, case
from benchmarks.timing import in_turns

BOUND_PERCENT = 1.0
PREVIEWS = 20  # one alone is too quick to be timed well


@case(
    "previews",
    axes={"family": ("sd15",), "size_px": (512,), "dtype": ("float32",)},
    quick={"family": ("small",), "size_px": (64,)},
    told={"share": "a preview, made and encoded, as part of a step of {family} at {size_px} px, {dtype}"},
)
def previews(bench: Bench, *, family: str, size_px: int, dtype: str) -> Iterator[Figure]:
    """The cost of a preview (mapped from the latent, and encoded as the socket sends it) as part of a UNet step."""
    import torch

    from adapters.run.worker.recorder import jpeg
    from nodes.diffusion import unet
    from nodes.families.found import families

    shown = families()["sdxl" if family == "sdxl" else "sd"].space
    network = networks.unet(family, networks.format_named(dtype), bench.device)
    given = networks.inputs(network, 2, size_px // 8)
    latent = given.x[:1].float()

    def step() -> None:
        unet.predict(network, given.x, given.timestep, given.context, y=given.y)

    def many_previews() -> None:
        for _ in range(PREVIEWS):
            jpeg(shown.preview(latent[0]))

    with torch.no_grad():
        seconds = in_turns({"step": step, "preview": many_previews}, bench.repeats)
    each = [taken / PREVIEWS for taken in seconds["preview"]]
    share = [100 * one / whole for one, whole in zip(each, seconds["step"], strict=True)]
    yield Figure("preview", "ms", [1e3 * taken for taken in each])
    yield Figure("step", "s", seconds["step"])
    yield Figure("share", "%", share, bound=BOUND_PERCENT)
