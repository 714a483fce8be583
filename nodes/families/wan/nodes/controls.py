"""Films that follow others: Fun Control, VACE, and subjects from pictures (Phantom)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NamedTuple

import lazy_loader as lazy

from engine.context import Context
from engine.inputs import Count, Float
from engine.registry import node
from engine.types import Image, Mask
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

STEP, CELL = SPACE.factors[0], SPACE.factors[2]


class VaceParts(NamedTuple):
    """Both prompts with the controls, the latent, and how many of its first steps are a reference's."""

    positive: Conditioning
    negative: Conditioning
    latent: Latent
    trim_latent: int


class SubjectParts(NamedTuple):
    """The prompt with the subjects, the negative prompt with them, that with none, and the latent."""

    positive: Conditioning
    negative_text: Conditioning
    negative_img_text: Conditioning
    latent: Latent


@node("WanFunControlToVideo", category=f"{CATEGORY}/fun control", keep=True)
def fun_control_to_film(
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
    control_video: Image | None = None,
) -> FilmParts:
    """A film that follows the lines, depths or poses of ``control_video``, and may start with pictures."""
    films, latent = diffusion.film_frames, empty(SPACE, width, height, frames=length, batch=batch_size)
    known = SPACE.from_model(latent.samples).repeat(1, 2, 1, 1, 1)
    for name, clip, first in (("start_image", start_image, SPACE.channels), ("control_video", control_video, 0)):
        if clip is not None:
            part = films.framed_and_encoded(ctx, vae, clip.pixels, width, height, length, input=name)
            known = films.laid_over(known, part, first)
    positive, negative = (with_seen(each.set(concat_latent=known), clip_vision_output) for each in (positive, negative))
    return FilmParts(positive, negative, latent)


@node("Wan22FunControlToVideo", category=f"{CATEGORY}/fun control", keep=True)
def fun_control_to_film_22(
    ctx: Context,
    *,
    positive: Conditioning,
    negative: Conditioning,
    vae: Vae,
    width: Side = 832,
    height: Side = 480,
    length: Frames = 81,
    batch_size: Count = 1,
    ref_image: Image | None = None,
    control_video: Image | None = None,
) -> FilmParts:
    """A film of Wan 2.2 that follows ``control_video`` and looks like ``ref_image``."""
    films, latent = diffusion.film_frames, empty(vae.space, width, height, frames=length, batch=batch_size)
    channels, own = vae.space.channels, SPACE_22 if vae.space.channels == SPACE_22.channels else SPACE
    known = own.from_model(latent.samples).repeat(1, 2, 1, 1, 1)
    if control_video is not None:
        clip = control_video.pixels
        part = films.framed_and_encoded(ctx, vae, clip, width, height, length, input="control_video")
        known = films.laid_over(known, part, 0)
    mask = torch.ones(1, STEP, *latent.samples.shape[2:])
    positive, negative = (
        each.set(concat_latent=known, concat_mask=mask).with_extra(concat_mask_index=channels)
        for each in (positive, negative)
    )
    if ref_image is not None:
        reference = films.framed_and_encoded(ctx, vae, ref_image.pixels, width, height, 1, input="ref_image")
        positive, negative = (each.appended(reference_latents=reference) for each in (positive, negative))
    return FilmParts(positive, negative, latent)


@node(
    "WanVaceToVideo",
    category=f"{CATEGORY}/vace",
    search_aliases=("video conditioning", "video control"),
    keep=True,
)
def vace_to_film(
    ctx: Context,
    *,
    positive: Conditioning,
    negative: Conditioning,
    vae: Vae,
    width: Side = 832,
    height: Side = 480,
    length: Frames = 81,
    batch_size: Count = 1,
    strength: Annotated[float, Float(min=0.0, max=1000.0, step=0.01)] = 1.0,
    control_video: Image | None = None,
    control_masks: Mask | None = None,
    reference_image: Image | None = None,
) -> VaceParts:
    """A film by VACE: drawn anew where ``control_masks`` is 1, by what ``control_video`` shows there, with a reference.

    Several of these nodes in a row add up.
    """
    films = diffusion.film_frames
    clip = torch.full((length, height, width, 3), films.GREY)
    if control_video is not None:
        clip = films.framed(control_video.pixels, width, height, length, input="control_video")[..., :3]
        clip = films.filled(clip, length, films.GREY)
    mask = torch.ones(length, height, width, 1)
    if control_masks is not None:
        mask = films.framed(control_masks.values[..., None], width, height, length, input="control_masks")
        mask = films.filled(mask, length, 1.0)
    clip = clip - films.GREY
    parts = [films.encoded(ctx, vae, clip * share + films.GREY) for share in (1 - mask, mask)]
    frames, cells = torch.cat(parts, dim=1), _packed(mask, (length - 1) // STEP + 1)
    trim = 0
    if reference_image is not None:
        picture = reference_image.pixels
        reference = films.framed_and_encoded(ctx, vae, picture, width, height, 1, input="reference_image")
        nothing = SPACE.from_model(torch.zeros_like(reference))
        trim = reference.shape[2]
        frames = torch.cat([torch.cat([reference, nothing], dim=1), frames], dim=2)
        cells = torch.cat([torch.zeros_like(cells[:, :, :trim]), cells], dim=2)
    positive, negative = (
        each.appended(vace_frames=frames, vace_mask=cells, vace_strength=strength) for each in (positive, negative)
    )
    samples = torch.zeros(batch_size, SPACE.channels, cells.shape[2], height // CELL, width // CELL)
    return VaceParts(positive, negative, Latent(samples, space=SPACE), trim)


def _packed(mask: Tensor, steps: int) -> Tensor:
    """A mask, [frames, height, width, 1], with the pixels of each cell for channels: [1, 64, steps, h, w]."""
    cells = torch.unflatten(torch.nn.functional.pixel_unshuffle(mask[..., 0], CELL), 0, (mask.shape[0], -1))
    return torch.nn.functional.interpolate(
        cells.movedim(1, 0)[None], size=(steps, *cells.shape[-2:]), mode="nearest-exact"
    )


@node("WanPhantomSubjectToVideo", category=f"{CATEGORY}/phantom subject", keep=True)
def subjects_to_film(
    ctx: Context,
    *,
    positive: Conditioning,
    negative: Conditioning,
    vae: Vae,
    width: Side = 832,
    height: Side = 480,
    length: Frames = 81,
    batch_size: Count = 1,
    images: Image | None = None,
) -> SubjectParts:
    """A film of the subjects in the pictures, by Phantom."""
    latent = empty(SPACE, width, height, frames=length, batch=batch_size)
    if images is None:
        return SubjectParts(positive, negative, negative, latent)
    frames = diffusion.film_frames.framed(images.pixels, width, height, length, input="images")
    subjects = torch.cat([diffusion.film_frames.encoded(ctx, vae, each) for each in frames[:, None]], dim=2)
    nothing = SPACE.from_model(torch.zeros_like(subjects))
    return SubjectParts(
        positive.with_extra(time_dim_concat=subjects),
        negative.with_extra(time_dim_concat=subjects),
        negative.with_extra(time_dim_concat=nothing),
        latent,
    )
