"""Films of LTX-Video: empty ones, those that start with pictures, and their frame rate."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import lazy_loader as lazy

from engine.context import Context
from engine.errors import InputInvalid
from engine.inputs import MAX_SIDE_PX, Count, Float, Int
from engine.registry import node
from engine.types import Image
from nodes import diffusion, memory
from nodes.families.film_parts import FilmParts
from nodes.families.ltx.nodes.inputs import CATEGORY, Prompts, Share, Side, mask_of
from nodes.families.ltx.spaces import SPACE
from nodes.latent import empty
from nodes.values import Conditioning, Latent, Vae

if TYPE_CHECKING:
    import torch
else:
    torch = lazy.load("torch")


@node("EmptyLTXVLatentVideo", category="model/latent/ltxv", memory=memory.empty_film(128, frames=8, side=32))
def empty_film(
    ctx: Context,
    *,
    width: Side = 768,
    height: Side = 512,
    length: Annotated[int, Int(min=1, max=MAX_SIDE_PX, step=8)] = 97,
    batch_size: Count = 1,
) -> Latent:
    """Zeros to denoise: float32[batch, 128, (length - 1) / 8 + 1, height / 32, width / 32]; the frames beyond 8 n + 1
    of ``length`` are left out.
    """
    return empty(SPACE, width, height, frames=length, batch=batch_size)


@node("LTXVConditioning", category=CATEGORY)
def told_frame_rate(
    ctx: Context,
    *,
    positive: Conditioning,
    negative: Conditioning,
    frame_rate: Annotated[float, Float(min=0.0, max=1000.0, step=0.01)] = 25.0,
) -> Prompts:
    """Both prompts with the frames per second of the film that is to be drawn."""
    if not frame_rate:
        raise InputInvalid("a film of 0 frames a second never moves on", input="frame_rate", remedy="use 25")
    return Prompts(*(each.with_extra(frame_rate=frame_rate) for each in (positive, negative)))


@node("LTXVImgToVideo", category=CATEGORY, keep=True)
def image_to_film(
    ctx: Context,
    *,
    positive: Conditioning,
    negative: Conditioning,
    vae: Vae,
    image: Image,
    width: Side = 768,
    height: Side = 512,
    length: Annotated[int, Int(min=9, max=MAX_SIDE_PX, step=8)] = 97,
    batch_size: Count = 1,
    strength: Share = 1.0,
) -> FilmParts:
    """A film that starts with the pictures of ``image``; ``strength``: how much of them is kept."""
    latent = empty(SPACE, width, height, frames=length, batch=batch_size)
    films = diffusion.film_frames
    known = films.framed_and_encoded(ctx, vae, image.pixels, width, height, length, input="image")
    return FilmParts(positive, negative, _started(latent, known, strength))


@node("LTXVImgToVideoInplace", category=CATEGORY, keep=True)
def image_to_film_in_place(
    ctx: Context,
    *,
    vae: Vae,
    image: Image,
    latent: Latent,
    strength: Share = 1.0,
    bypass: bool = False,
) -> Latent:
    """The latent with the pictures of ``image`` for its first steps; ``bypass`` leaves it as it is."""
    if bypass:
        return latent
    height, width = vae.space.size_px(latent.samples)
    length = (latent.samples.shape[2] - 1) * vae.space.factors[0] + 1
    known = diffusion.film_frames.framed_and_encoded(ctx, vae, image.pixels, width, height, length, input="image")
    return _started(latent, known, strength)


def _started(latent: Latent, known: torch.Tensor, strength: float) -> Latent:
    """``latent`` with ``known`` for its first steps, of which ``strength`` is kept."""
    batch = latent.samples.shape[0]
    samples = diffusion.film_frames.laid_over(latent.samples, known.expand(batch, -1, -1, -1, -1), 0)
    mask = mask_of(latent)
    mask[:, :, : known.shape[2]] = 1.0 - strength
    return replace(latent, samples=samples, noise_mask=mask)
