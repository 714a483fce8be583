"""Films that start with pictures, or end with them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import lazy_loader as lazy

from engine.context import Context
from engine.inputs import MAX_SIDE_PX, Count, Int
from engine.registry import node
from engine.types import Image
from nodes import diffusion
from nodes.families.film_parts import FilmParts
from nodes.families.wan.nodes.inputs import CATEGORY, Frames, Side, with_seen
from nodes.families.wan.spaces import SPACE, SPACE_22
from nodes.latent import empty
from nodes.values import Conditioning, Latent, Vae
from nodes.vision_values import ClipVisionOutput

if TYPE_CHECKING:
    import torch
    from torch import Tensor
else:
    torch = lazy.load("torch")

Side32 = Annotated[int, Int(min=32, max=MAX_SIDE_PX, step=32)]
STEP = SPACE.factors[0]


@node("WanImageToVideo", category=CATEGORY, keep=True)
def image_to_film(
    ctx: Context,
    *,
    positive: Conditioning,
    negative: Conditioning,
    vae: Vae,
    width: Side = 832,
    height: Side = 480,
    length: Frames = 81,
    batch_size: Count = 1,
    clip_vision_output: ClipVisionOutput | None = None,
    start_image: Image | None = None,
) -> FilmParts:
    """A film that starts with the pictures of ``start_image``; the model draws the rest."""
    latent = empty(SPACE, width, height, frames=length, batch=batch_size)
    if start_image is not None:
        start = diffusion.film_frames.framed(start_image.pixels, width, height, length, input="start_image")
        known = diffusion.film_frames.encoded(ctx, vae, diffusion.film_frames.filled(start, length, 0.5))
        mask = torch.ones(1, 1, latent.samples.shape[2], *known.shape[-2:])
        mask[:, :, : (start.shape[0] - 1) // STEP + 1] = 0
        positive, negative = (each.set(concat_latent=known, concat_mask=mask) for each in (positive, negative))
    return FilmParts(with_seen(positive, clip_vision_output), with_seen(negative, clip_vision_output), latent)


@node("WanFirstLastFrameToVideo", category=CATEGORY, keep=True)
def first_and_last_to_film(
    ctx: Context,
    *,
    positive: Conditioning,
    negative: Conditioning,
    vae: Vae,
    width: Side = 832,
    height: Side = 480,
    length: Frames = 81,
    batch_size: Count = 1,
    clip_vision_start_image: ClipVisionOutput | None = None,
    clip_vision_end_image: ClipVisionOutput | None = None,
    start_image: Image | None = None,
    end_image: Image | None = None,
) -> FilmParts:
    """A film between its first pictures and its last ones."""
    latent = empty(vae.space, width, height, frames=length, batch=batch_size)
    frames = torch.full((length, height, width, 3), diffusion.film_frames.GREY)
    mask = torch.ones(1, 1, latent.samples.shape[2] * STEP, *latent.samples.shape[-2:])
    if start_image is not None:
        start = diffusion.film_frames.framed(start_image.pixels, width, height, length, input="start_image")
        frames[: start.shape[0]] = start[..., :3]
        mask[:, :, : start.shape[0] + STEP - 1] = 0
    if end_image is not None:
        end = diffusion.film_frames.framed(end_image.pixels[-length:], width, height, length, input="end_image")
        frames[-end.shape[0] :] = end[..., :3]
        mask[:, :, -end.shape[0] :] = 0
    known = diffusion.film_frames.encoded(ctx, vae, frames)
    seen = _joined(clip_vision_start_image, clip_vision_end_image)
    mask = diffusion.film_frames.by_steps(mask, STEP)
    positive, negative = (
        with_seen(each.set(concat_latent=known, concat_mask=mask), seen) for each in (positive, negative)
    )
    return FilmParts(positive, negative, latent)


@node("WanFunInpaintToVideo", category=f"{CATEGORY}/fun inpaint", keep=True)
def inpaint_to_film(
    ctx: Context,
    *,
    positive: Conditioning,
    negative: Conditioning,
    vae: Vae,
    width: Side = 832,
    height: Side = 480,
    length: Frames = 81,
    batch_size: Count = 1,
    clip_vision_output: ClipVisionOutput | None = None,
    start_image: Image | None = None,
    end_image: Image | None = None,
) -> FilmParts:
    """A film between its first pictures and its last ones, for the Fun models, which see one of them as a whole."""
    return first_and_last_to_film(
        ctx,
        positive=positive,
        negative=negative,
        vae=vae,
        width=width,
        height=height,
        length=length,
        batch_size=batch_size,
        clip_vision_start_image=clip_vision_output,
        start_image=start_image,
        end_image=end_image,
    )


@node("Wan22ImageToVideoLatent", category=CATEGORY, keep=True)
def image_to_latent_5b(
    ctx: Context,
    *,
    vae: Vae,
    width: Side32 = 1280,
    height: Side32 = 704,
    length: Frames = 49,
    batch_size: Count = 1,
    start_image: Image | None = None,
) -> Latent:
    """What Wan 2.2's 5B model denoises: the first steps are those of ``start_image`` and are kept."""
    if start_image is None:
        return empty(SPACE_22, width, height, frames=length)
    latent = empty(SPACE_22, width, height, frames=length).samples
    start = diffusion.film_frames.framed(start_image.pixels, width, height, length, input="start_image")
    known = diffusion.film_frames.encoded(ctx, vae, start)
    steps = min(known.shape[2], latent.shape[2])
    mask = torch.ones(1, 1, *latent.shape[2:])
    mask[:, :, :steps] = 0
    samples = diffusion.film_frames.laid_over(SPACE_22.from_model(latent), known, 0)
    return Latent(_times(samples, batch_size), noise_mask=_times(mask, batch_size))


def _times(tensor: Tensor, batch: int) -> Tensor:
    return tensor.repeat(batch, 1, 1, 1, 1)


def _joined(start: ClipVisionOutput | None, end: ClipVisionOutput | None) -> ClipVisionOutput | None:
    """Tokens of both pictures in a row."""
    if start is None or end is None:
        return end if start is None else start
    return replace(start, penultimate_hidden=torch.cat([start.penultimate_hidden, end.penultimate_hidden], dim=-2))
