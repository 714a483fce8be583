"""Latents, noise levels and the reuse of references for Flux.2."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import lazy_loader as lazy

from engine.context import Context
from engine.inputs import MAX_SIDE_PX, Int
from engine.registry import node
from nodes import diffusion, memory
from nodes.families.flux2 import SPACE
from nodes.sampling_values import Sigmas
from nodes.values import Latent, Model

if TYPE_CHECKING:
    import torch
else:
    torch = lazy.load("torch")

Pixels16 = Annotated[int, Int(min=16, max=MAX_SIDE_PX, step=16)]
Side = Annotated[int, Int(min=16, max=MAX_SIDE_PX, step=1)]
PIXELS_PER_TOKEN = 256


@node(
    "EmptyFlux2LatentImage",
    category="model/latent/flux",
    display_name="Empty Flux 2 Latent",
    memory=memory.empty_latent_in(SPACE),
)
def empty_flux2_latent(
    ctx: Context,
    *,
    width: Pixels16 = 1024,
    height: Pixels16 = 1024,
    batch_size: Annotated[int, Int(min=1, max=4096)] = 1,
) -> Latent:
    """Zeros to denoise: float32[batch, 128, height / 16, width / 16]."""
    return Latent(torch.zeros(SPACE.shape(width, height, batch=batch_size)), space=SPACE)


@node("Flux2Scheduler", category="model/sampling/schedulers")
def flux2_scheduler(
    ctx: Context,
    *,
    steps: Annotated[int, Int(min=1, max=4096)] = 20,
    width: Side = 1024,
    height: Side = 1024,
) -> Sigmas:
    """Flux.2's noise levels, which are higher for larger pictures and fewer steps."""
    t = torch.linspace(1, 0, steps + 1)
    shift = math.exp(_shift(steps, round(width * height / PIXELS_PER_TOKEN)))
    return Sigmas(shift / (shift + (1 / t - 1)))


@node("FluxKVCache", category="experimental", display_name="Flux KV Cache", experimental=True)
def flux_kv_cache(ctx: Context, *, model: Model) -> Model:
    """References computed in the first step alone: what attention reads of them is kept for the others.

    They are told to be free of noise. Models of other families are left as they are.
    """
    if model.family.name != "flux2":
        return model
    model = replace(model, variant=replace(model.variant, reference_method="index_timestep_zero"))
    return model.with_hooks_per_sampling(lambda _: diffusion.patches.kept_attention.kept_attention())


def _shift(steps: int, tokens: int) -> float:
    """The logarithm of how far levels are shifted towards noise, as its authors measured it for 10 and for 200 steps.

    In between it goes along a line; for pictures beyond 4300 tokens it is that of 200 steps.
    """
    at_200 = 0.00016927 * tokens + 0.45666666
    if tokens > 4300:
        return at_200
    at_10 = 8.73809524e-05 * tokens + 1.89833333
    slope = (at_200 - at_10) / 190
    return slope * steps + at_200 - 200 * slope
