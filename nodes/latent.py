"""Nodes that make latents, take batches of them apart and together, and keep them in files."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import lazy_loader as lazy

from engine.context import Context
from engine.inputs import MAX_SIDE_PX, Choice, Count, FileChoice, Grow, Growing, Int, Pixels
from engine.registry import node
from nodes import diffusion, memory
from nodes.batches import PlaceInBatch, place_in_batch
from nodes.latent_space import LatentSpace
from nodes.values import Latent

if TYPE_CHECKING:
    import torch
else:
    torch = lazy.load("torch")


_FOUR_CHANNELS = LatentSpace(4)
_SIXTEEN_CHANNELS = LatentSpace(16)


def empty(space: LatentSpace, width_px: int, height_px: int, *, frames: int = 1, batch: int = 1) -> Latent:
    """Zeros to denoise, for pictures or films of that size."""
    return Latent(torch.zeros(space.shape(width_px, height_px, frames, batch)), space=space)


@node("EmptyLatentImage", category="latent", display_name="Empty Latent Image", memory=memory.empty_latent(4))
def empty_latent(ctx: Context, *, width: Pixels = 512, height: Pixels = 512, batch_size: Count = 1) -> Latent:
    """Zeros to denoise: float32[batch, 4, height / 8, width / 8]. Samplers fit them to models of other spaces."""
    return empty(_FOUR_CHANNELS, width, height, batch=batch_size)


Pixels16 = Annotated[int, Int(min=16, max=MAX_SIDE_PX, step=16)]


@node("EmptySD3LatentImage", category="latent/sd3", memory=memory.empty_latent(16))
def empty_sd3_latent(ctx: Context, *, width: Pixels16 = 1024, height: Pixels16 = 1024, batch_size: Count = 1) -> Latent:
    """Zeros to denoise for models with 16 latent channels: float32[batch, 16, height / 8, width / 8]."""
    return empty(_SIXTEEN_CHANNELS, width, height, batch=batch_size)


# --- batches -----------------------------------------------------------------------------------------------------


@node("LatentFromBatch", category="latent/batch", display_name="Latent From Batch")
def latent_from_batch(
    ctx: Context,
    *,
    samples: Latent,
    batch_index: PlaceInBatch = 0,
    length: Annotated[int, Int(min=1, max=64)] = 1,
) -> Latent:
    """Some latents of a batch, which keep the noise that they would have got in the whole batch.

    A ``batch_index`` below 0 counts from the end.
    """
    batch = samples.samples.shape[0]
    first = place_in_batch(batch_index, batch)
    picked = slice(first, min(batch, first + length))
    mask = samples.noise_mask
    if mask is not None and mask.shape[0] > 1:
        mask = diffusion.inputs.repeat_batch(mask, batch)[picked]
    index = samples.batch_index or tuple(range(batch))
    return replace(samples, samples=samples.samples[picked], noise_mask=mask, batch_index=index[picked])


@node("RepeatLatentBatch", category="latent/batch", display_name="Repeat Latent Batch", memory=memory.repeated_latent)
def repeat_latent_batch(ctx: Context, *, samples: Latent, amount: Annotated[int, Int(min=1, max=64)] = 1) -> Latent:
    """The batch ``amount`` times in a row; every copy gets noise of its own."""
    batch = samples.samples.shape[0]
    mask = samples.noise_mask
    if mask is not None and mask.shape[0] > 1:
        mask = diffusion.inputs.repeat_batch(mask, batch).repeat(amount, *(1,) * (mask.ndim - 1))
    index = samples.batch_index
    if index is not None:
        span = max(index) - min(index) + 1
        index = tuple(place + copy * span for copy in range(amount) for place in index)
    return replace(
        samples,
        samples=samples.samples.repeat(amount, *(1,) * (samples.samples.ndim - 1)),
        noise_mask=mask,
        batch_index=index,
    )


@node("LatentBatch", category="latent/batch", memory=memory.batched_latents)
def latent_batch(ctx: Context, *, samples1: Latent, samples2: Latent) -> Latent:
    """Both batches in a row; the second is resized to the first one's height and width."""
    first, second = samples1.samples, diffusion.latents.fit(samples2.samples, samples1.samples, repeat=False)
    index = [latent.batch_index or tuple(range(latent.samples.shape[0])) for latent in (samples1, samples2)]
    return replace(samples1, samples=torch.cat([first, second]), batch_index=index[0] + index[1])


@node("BatchLatentsNode", category="latent/batch", display_name="Batch Latents")
def batch_latents(ctx: Context, *, latents: Annotated[Grow[Latent], Growing(max=50)]) -> Latent:
    """All batches in a row; they are resized to the first one's height and width."""
    first, *others = latents.values()
    for other in others:
        first = latent_batch(ctx, samples1=first, samples2=other)
    return first


@node(
    "RebatchLatents",
    category="latent/batch",
    display_name="Rebatch Latents",
    input_is_list=True,
    output_is_list=(True,),
)
def rebatch_latents(ctx: Context, *, latents: list[Latent], batch_size: list[Count] = 1) -> list[Latent]:  # type: ignore[assignment]
    """All latents in batches of ``batch_size``; a change of size starts a new batch."""
    return diffusion.latent_batches.rebatch(latents, batch_size[0])


@node("LatentBatchSeedBehavior", category="latent/advanced")
def latent_batch_seed_behavior(
    ctx: Context, *, samples: Latent, seed_behavior: Annotated[str, Choice("random", "fixed")] = "fixed"
) -> Latent:
    """Whether each latent of the batch gets noise of its own (``random``) or all get the first one's (``fixed``)."""
    if seed_behavior == "random":
        return replace(samples, batch_index=None)
    first = samples.batch_index[0] if samples.batch_index else 0
    return replace(samples, batch_index=(first,) * samples.samples.shape[0])


# --- files -------------------------------------------------------------------------------------------------------


@node(
    "SaveLatent",
    category="_for_testing",
    output_node=True,
    aside=True,
    output_names=("samples",),
    disk=1.0,
)
def save_latent(ctx: Context, *, samples: Latent, filename_prefix: str = "latents/ComfyUI") -> Latent:
    """A safetensors file with the ending ``.latent`` in the output folder, the workflow in its header."""
    ctx.show("latents", diffusion.latent_files.save(ctx, samples, filename_prefix))
    return samples


@node("LoadLatent", category="_for_testing", aside=True)
def load_latent(ctx: Context, *, latent: Annotated[str, FileChoice("input")]) -> Latent:
    """A latent that SaveLatent wrote, from the input folder."""
    return diffusion.latent_files.load(ctx.folders.find_input(latent))
