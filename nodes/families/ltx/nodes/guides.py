"""Guides: pictures and clips that a film passes through at given frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import lazy_loader as lazy

from engine.context import Context
from engine.errors import InputInvalid
from engine.inputs import Float, Int, Wire
from engine.registry import node
from engine.types import Image, Mask
from nodes import diffusion
from nodes.families.film_parts import FilmParts
from nodes.families.ltx.nodes.inputs import CATEGORY, mask_of
from nodes.values import Conditioning, Latent, Vae

if TYPE_CHECKING:
    import torch
    from torch import Tensor
else:
    torch = lazy.load("torch")

NOTHING = -1.0
"""In a mask: no token is there."""


@node("LTXVAddGuide", category=CATEGORY, keep=True)
def add_guide(
    ctx: Context,
    *,
    positive: Conditioning,
    negative: Conditioning,
    vae: Vae,
    latent: Latent,
    image: Image,
    frame_idx: Annotated[
        int,
        Int(
            min=-9999,
            max=9999,
            tooltip="The frame at which the guide begins, counted from the end where it is below 0. Clips of nine "
            "frames or more begin at a multiple of 8.",
        ),
    ] = 0,
    strength: Annotated[float, Float(min=0.0, max=10.0, step=0.01)] = 1.0,
    attention_mask: Mask | None = None,
    iclora_parameters: Annotated[Mapping[str, Any] | None, Wire("IC_LORA_PARAMETERS", optional=True)] = None,
) -> FilmParts:
    """The film with a picture, or a clip of 8 n + 1 frames, behind its end, which it shows from ``frame_idx`` on.

    ``strength``: how little of the guide is denoised, and how much the film attends to it; ``attention_mask``: where.
    ``iclora_parameters``: ``reference_downscale_factor``, each how many cells along a side a smaller guide has one.
    """
    samples = latent.samples
    if samples.shape[1] != vae.space.channels:
        raise InputInvalid(
            f"guides are for latents of films of {vae.space.channels} channels, and this one has {samples.shape[1]}",
            input="latent",
            remedy="separate sound from pictures first",
        )
    steps = samples.shape[2] - guide_steps(positive, samples)
    apart = _apart(iclora_parameters, samples)
    known, causal, first = _encoded(ctx, vae, image.pixels, samples, steps, frame_idx, apart)
    if -(-first // vae.space.factors[0]) + known.shape[2] > samples.shape[2]:
        raise InputInvalid(
            f"a guide of {known.shape[2]} steps from frame {first} on ends behind the film of {steps} steps",
            input="frame_idx",
            remedy="begin earlier, or give a shorter clip",
        )
    entry = {
        "strength": strength,
        "pixel_mask": None if attention_mask is None else attention_mask.values[None, None],
        "latent_shape": tuple(known.shape[2:]),
    }
    mask = mask_of(latent)
    kept = torch.full((mask.shape[0], 1, known.shape[2], *mask.shape[3:]), max(0.0, 1.0 - strength))
    if apart > 1:
        known, kept = _spread(known, apart), _spread(kept.expand(-1, -1, -1, *known.shape[3:]), apart, NOTHING)
        mask = mask.expand(-1, -1, -1, *samples.shape[3:])
    places = places_in_clip(known, vae, causal=causal)
    places[:, 0] += first
    places[:, 1:, :, 1] += (apart - 1) * torch.tensor(vae.space.factors[1:])[:, None]
    film = torch.cat([samples, known.expand(samples.shape[0], -1, -1, -1, -1)], dim=2)
    return FilmParts(
        _guided(positive, places, entry),
        _guided(negative, places, entry),
        replace(latent, samples=film, noise_mask=torch.cat([mask, kept], dim=2)),
    )


@node("LTXVCropGuides", category=CATEGORY)
def crop_guides(ctx: Context, *, positive: Conditioning, negative: Conditioning, latent: Latent) -> FilmParts:
    """The film without the guides behind its end, and prompts that know nothing of them."""
    steps, mask = guide_steps(positive, latent.samples), mask_of(latent)
    if not steps:
        return FilmParts(positive, negative, replace(latent, noise_mask=mask))
    cropped = replace(latent, samples=latent.samples[:, :, :-steps], noise_mask=mask[:, :, :-steps])
    positive, negative = (
        each.with_extra(keyframe_idxs=None, guide_attention_entries=None) for each in (positive, negative)
    )
    return FilmParts(positive, negative, cropped)


def guide_steps(prompt: Conditioning, samples: Tensor) -> int:
    """How many of the last steps of a latent are the guides of ``prompt``."""
    places = _known(prompt, "keyframe_idxs")
    return 0 if places is None else places.shape[2] // (samples.shape[-2] * samples.shape[-1])


def places_in_clip(known: Tensor, vae: Vae, *, causal: bool) -> Tensor:
    """Where the tokens of an encoded clip are, see :func:`nodes.families.ltx.places.bounds`."""
    from nodes.families.ltx.places import bounds  # which loads torch

    _, _, steps, rows, columns = known.shape
    return bounds((steps, rows, columns), causal=causal, factors=vae.space.factors)


def _encoded(
    ctx: Context, vae: Vae, pixels: Tensor, samples: Tensor, steps: int, frame: int, apart: int
) -> tuple[Tensor, bool, int]:
    """The clip's latent, whether its first step is one frame as a film's is, and the frame at which it begins."""
    each = vae.space.factors[0]
    if frame < 0:
        frame = max((steps - 1) * each + 1 + frame, 0)
    count = (len(pixels) - 1) // each * each + 1
    is_start = frame == 0 or count == 1
    height, width = (side // apart for side in vae.space.size_px(samples))
    # In the middle of a film no step is one frame alone: one is put before the clip, and its step is left out.
    clip = pixels if is_start else torch.cat([pixels[:1], pixels])
    clip = clip[: (len(clip) - 1) // each * each + 1]
    known = diffusion.film_frames.framed_and_encoded(ctx, vae, clip, width, height, len(clip), input="image")
    if not is_start:
        known = known[:, :, 1:]
    if frame and len(clip) - (not is_start) > 1:
        frame = (frame - 1) // each * each + 1
    return known, is_start, frame


def _apart(parameters: Mapping[str, Any] | None, samples: Tensor) -> int:
    """How many cells of the film along a side have one of the guide's."""
    factor = max(1, round(float((parameters or {}).get("reference_downscale_factor", 1))))
    if any(side % factor for side in samples.shape[-2:]):
        raise InputInvalid(
            f"a latent of {samples.shape[-1]}x{samples.shape[-2]} cells is not divided by {factor}, as the LoRA's "
            "smaller guides need it",
            input="latent",
            remedy=f"use sides of multiples of {factor} cells",
        )
    return factor


def _spread(cells: Tensor, apart: int, between: float = 0.0) -> Tensor:
    """``cells`` so many apart along both sides of a larger grid, which has ``between`` elsewhere."""
    grid = cells.new_full((*cells.shape[:3], cells.shape[3] * apart, cells.shape[4] * apart), between)
    grid[..., ::apart, ::apart] = cells
    return grid


def _guided(prompt: Conditioning, places: Tensor, entry: dict[str, Any]) -> Conditioning:
    """``prompt`` with one more guide."""
    before, entries = _known(prompt, "keyframe_idxs"), _known(prompt, "guide_attention_entries")
    return prompt.with_extra(
        keyframe_idxs=places if before is None else torch.cat([before, places], dim=2),
        guide_attention_entries=(*(entries or ()), entry),
    )


def _known(prompt: Conditioning, name: str) -> Any:
    return next((found for one in prompt.entries if (found := one.extra.get(name)) is not None), None)
