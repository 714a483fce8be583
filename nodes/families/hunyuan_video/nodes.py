"""Films of HunyuanVideo that start with pictures."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, NamedTuple

import lazy_loader as lazy

from engine.context import Context
from engine.inputs import Choice, Count, Float
from engine.registry import node
from engine.types import Image
from nodes import diffusion
from nodes.families.film_parts import FilmParts
from nodes.families.hunyuan_video.spaces import SPACE, SPACE_15
from nodes.film_latents import Frames, Side
from nodes.latent import empty
from nodes.values import Conditioning, Latent, Vae
from nodes.vision_values import ClipVisionOutput

if TYPE_CHECKING:
    import torch
else:
    torch = lazy.load("torch")

CATEGORY = "model/conditioning/hunyuan video"
CONCAT, REPLACE, CUSTOM = "v1 (concat)", "v2 (replace)", "custom"
STEP = SPACE.factors[0]


class FilmStart(NamedTuple):
    """The prompt with what the film starts with, and the latent to denoise."""

    positive: Conditioning
    latent: Latent


@node("HunyuanImageToVideo", category=CATEGORY, keep=True)
def image_to_film(
    ctx: Context,
    *,
    positive: Conditioning,
    vae: Vae,
    width: Side = 848,
    height: Side = 480,
    length: Frames = 53,
    batch_size: Count = 1,
    guidance_type: Annotated[str, Choice(CONCAT, REPLACE, CUSTOM)],
    start_image: Image | None = None,
) -> FilmStart:
    """A film that starts with pictures: beside the noise (v1), in the latent (v2), or as a reference before it."""
    latent = empty(SPACE, width, height, frames=length, batch=batch_size)
    if start_image is None:
        return FilmStart(positive, latent)
    films = diffusion.film_frames
    start = films.framed(start_image.pixels, width, height, length, input="start_image")
    known = films.encoded(ctx, vae, start)
    mask = torch.ones(1, 1, *latent.samples.shape[2:])
    mask[:, :, : (start.shape[0] - 1) // STEP + 1] = 0
    if guidance_type == CONCAT:
        return FilmStart(positive.set(concat_latent=known, concat_mask=mask), latent)
    if guidance_type == REPLACE:
        samples = films.laid_over(latent.samples, known.expand(batch_size, -1, -1, -1, -1), 0)
        return FilmStart(positive.with_extra(guiding_frame_index=0), replace(latent, samples=samples, noise_mask=mask))
    return FilmStart(positive.with_extra(ref_latent=known), latent)


@node("HunyuanVideo15ImageToVideo", category=CATEGORY, keep=True)
def image_to_film_15(
    ctx: Context,
    *,
    positive: Conditioning,
    negative: Conditioning,
    vae: Vae,
    width: Side = 848,
    height: Side = 480,
    length: Frames = 33,
    batch_size: Count = 1,
    start_image: Image | None = None,
    clip_vision_output: ClipVisionOutput | None = None,
) -> FilmParts:
    """A film of HunyuanVideo 1.5 that starts with pictures, which an encoder of pictures may see too."""
    latent, films = empty(SPACE_15, width, height, frames=length, batch=batch_size), diffusion.film_frames
    if start_image is not None:
        start = films.framed(start_image.pixels, width, height, length, input="start_image")
        first = films.encoded(ctx, vae, start).expand(batch_size, -1, -1, -1, -1)
        known = films.laid_over(latent.samples, first, 0)
        mask = torch.ones(1, 1, *latent.samples.shape[2:])
        mask[:, :, : (start.shape[0] - 1) // STEP + 1] = 0
        positive, negative = (each.set(concat_latent=known, concat_mask=mask) for each in (positive, negative))
    if clip_vision_output is not None:
        positive, negative = (each.with_extra(clip_vision_output=clip_vision_output) for each in (positive, negative))
    return FilmParts(positive, negative, latent)


@node("HunyuanRefinerLatent", category=CATEGORY, display_name="Hunyuan Latent Refiner")
def refiner_latent(
    ctx: Context,
    *,
    positive: Conditioning,
    negative: Conditioning,
    latent: Latent,
    noise_augmentation: Annotated[float, Float(min=0.0, max=1.0, step=0.01)] = 0.10,
) -> FilmParts:
    """What a refiner redraws: the latent beside noise, told how much noise it is to have."""
    given = latent.samples
    positive, negative = (
        each.set(concat_latent=given).with_extra(noise_augmentation=noise_augmentation) for each in (positive, negative)
    )
    return FilmParts(positive, negative, Latent(torch.zeros(given.shape[0], SPACE_15.channels, *given.shape[-3:])))
