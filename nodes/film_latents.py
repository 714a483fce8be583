"""Latents of films: empty ones to denoise, and cutting them in time."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from engine.context import Context
from engine.inputs import MAX_SIDE_PX, Count, Int
from engine.registry import node
from nodes import diffusion, memory
from nodes.latent import empty
from nodes.latent_space import LatentSpace
from nodes.values import Latent

Side = Annotated[int, Int(min=16, max=MAX_SIDE_PX, step=16)]
Positive = Annotated[int, Int(min=1, max=MAX_SIDE_PX, step=1)]
Place = Annotated[int, Int(min=-MAX_SIDE_PX, max=MAX_SIDE_PX, step=1)]
Frames = Annotated[int, Int(min=1, max=MAX_SIDE_PX, step=4)]

_CAUSAL = LatentSpace(16, dims=3, factors=(4, 8, 8))
_CAUSAL_16 = LatentSpace(32, dims=3, factors=(4, 16, 16))


@node(
    "EmptyHunyuanLatentVideo",
    category="model/latent/hunyuan video",
    display_name="Empty HunyuanVideo 1.0 Latent",
    memory=memory.empty_film(16),
)
def empty_film(
    ctx: Context, *, width: Side = 848, height: Side = 480, length: Frames = 25, batch_size: Count = 1
) -> Latent:
    """Zeros to denoise: float32[batch, 16, (length - 1) / 4 + 1, height / 8, width / 8]; the frames beyond 4 n + 1 of
    ``length`` are left out.
    """
    return empty(_CAUSAL, width, height, frames=length, batch=batch_size)


@node("TrimVideoLatent", category="model/latent", display_name="Trim Video Latent")
def trim_film(ctx: Context, *, samples: Latent, trim_amount: Annotated[int, Int(min=0, max=99999)] = 0) -> Latent:
    """The latent without its first ``trim_amount`` steps in time."""
    return replace(samples, samples=samples.samples[:, :, trim_amount:])


@node("ReplaceVideoLatentFrames", category="model/latent/batch", display_name="Replace Video Latent Frames")
def replace_frames(ctx: Context, *, destination: Latent, source: Latent | None = None, index: Place = 0) -> Latent:
    """``destination`` with the steps in time of ``source`` from ``index`` on (below 0: counted from the end).

    Where they do not fit, ``destination`` stays as it is, with a note.
    """
    if source is None:
        return destination
    steps, count = destination.samples.shape[2], source.samples.shape[2]
    start = index + steps if index < 0 else index
    if not 0 <= start <= steps - count:
        ctx.note(f"{count} steps from {index} on do not fit into a latent of {steps}: it stays as it is")
        return destination
    samples = destination.samples.clone()
    samples[:, :, start : start + count] = source.samples
    return replace(source, samples=samples)


@node("NormalizeVideoLatentStart", category="model/conditioning", output_names=("latent",))
def normalize_start(
    ctx: Context, *, latent: Latent, start_frame_count: Positive = 4, reference_frame_count: Positive = 5
) -> Latent:
    """The first steps in time with a mean and spread nearer to those of the steps that follow them."""
    if latent.samples.ndim < 5 or latent.samples.shape[2] == 1:
        return latent
    samples = diffusion.latents.start_normalized(latent.samples, start_frame_count, reference_frame_count)
    return replace(latent, samples=samples)


@node(
    "EmptyHunyuanVideo15Latent",
    category="model/latent/hunyuan video",
    display_name="Empty HunyuanVideo 1.5 Latent",
    memory=memory.empty_film(32, side=16),
)
def empty_film_of_16(
    ctx: Context, *, width: Side = 848, height: Side = 480, length: Frames = 25, batch_size: Count = 1
) -> Latent:
    """Zeros to denoise: float32[batch, 32, (length - 1) / 4 + 1, height / 16, width / 16]."""
    return empty(_CAUSAL_16, width, height, frames=length, batch=batch_size)
