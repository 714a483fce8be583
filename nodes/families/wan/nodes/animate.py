"""Films in which a character from a picture moves as another one does (Animate)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NamedTuple

import lazy_loader as lazy

from engine.context import Context
from engine.inputs import MAX_SIDE_PX, Count, Int
from engine.registry import node
from engine.types import Image, Mask
from nodes import diffusion
from nodes.families.wan.nodes.inputs import CATEGORY, Frames, Side, with_seen
from nodes.families.wan.spaces import SPACE
from nodes.latent import empty
from nodes.values import Conditioning, Latent, Vae
from nodes.vision_values import ClipVisionOutput

if TYPE_CHECKING:
    import torch
    from torch import Tensor
else:
    torch = lazy.load("torch")

STEP = SPACE.factors[0]
FACE_PX = 512


class AnimatedParts(NamedTuple):
    """Both prompts with what the film follows, the latent, how many of its first steps and of the film's first frames
    are to be left out, and where in the clips the next part begins.
    """

    positive: Conditioning
    negative: Conditioning
    latent: Latent
    trim_latent: int
    trim_image: int
    video_frame_offset: int


@node("WanAnimateToVideo", category=f"{CATEGORY}/animate", experimental=True, keep=True)
def animate_to_film(
    ctx: Context,
    *,
    positive: Conditioning,
    negative: Conditioning,
    vae: Vae,
    width: Side = 832,
    height: Side = 480,
    length: Frames = 77,
    batch_size: Count = 1,
    clip_vision_output: ClipVisionOutput | None = None,
    reference_image: Image | None = None,
    face_video: Image | None = None,
    pose_video: Image | None = None,
    continue_motion_max_frames: Frames = 5,
    background_video: Image | None = None,
    character_mask: Mask | None = None,
    continue_motion: Image | None = None,
    video_frame_offset: Annotated[
        int,
        Int(
            min=0, max=MAX_SIDE_PX, step=1, tooltip="Frames of all clips that earlier parts of a longer film have had."
        ),
    ] = 0,
) -> AnimatedParts:
    """A film of the character in ``reference_image``, who moves as in ``pose_video`` and looks as in ``face_video``.

    ``background_video`` and ``character_mask``: a film that is kept but where the mask is 1. ``continue_motion``: the
    film so far, whose last frames are the first ones.
    """
    before, offset = _before(continue_motion, continue_motion_max_frames, length), video_frame_offset
    offset = offset if before is None else max(0, offset - len(before))
    films, sides = diffusion.film_frames, (width, height, length)
    picture = torch.zeros(1, height, width, 3) if reference_image is None else reference_image.pixels
    reference = films.encoded(ctx, vae, films.framed(picture, *sides, input="reference_image", method="area"))
    if (pose := _from(pose_video, offset)) is not None:
        led = films.framed(pose, *sides, input="pose_video", method="area")
        led = torch.cat([led, led[-1:].expand(length - len(led), -1, -1, -1)])
        positive, negative = (
            each.with_extra(pose_video_latent=films.encoded(ctx, vae, led)) for each in (positive, negative)
        )
    if (face := _from(face_video, offset)) is not None:
        seen = films.framed(face, FACE_PX, FACE_PX, length, input="face_video", method="area")[..., :3]
        seen = (seen * 2.0 - 1.0).movedim(-1, 0)[None]
        positive = positive.with_extra(face_video_pixels=seen)
        negative = negative.with_extra(face_video_pixels=torch.full_like(seen, -1.0))
    frames = torch.full((length, height, width, 3), films.GREY)
    steps = 0 if before is None else (len(before) - 1) // STEP + 1
    if before is not None:
        frames[: len(before)] = films.framed(before, *sides, input="continue_motion", method="area")[..., :3]
    known = max(0, (steps - 1) * STEP + 1)
    if (background := _from(background_video, offset)) is not None:
        behind = films.framed(background, *sides, input="background_video", method="area")[..., :3]
        frames[known : len(behind)] = behind[known:]
    mask = _mask(character_mask, offset, length, reference, known, steps)
    whole = torch.cat([reference, films.encoded(ctx, vae, frames)], dim=2)
    positive, negative = (
        with_seen(each.set(concat_latent=whole, concat_mask=mask), clip_vision_output) for each in (positive, negative)
    )
    trimmed = reference.shape[2]
    latent = empty(SPACE, width, height, frames=length + trimmed * STEP, batch=batch_size)
    return AnimatedParts(positive, negative, latent, trimmed, known, offset + length)


def _before(motion: Image | None, most: int, length: int) -> Tensor | None:
    """The last frames of the film so far."""
    return None if motion is None or not len(motion.pixels) else motion.pixels[-most:][-length:]


def _from(clip: Image | None, offset: int) -> Tensor | None:
    """The frames of ``clip`` that earlier parts have not had; None where there are no more."""
    return None if clip is None or 0 < len(clip.pixels) <= offset else clip.pixels[offset:]


def _mask(mask: Mask | None, offset: int, length: int, reference: Tensor, known: int, steps: int) -> Tensor:
    """What is drawn, [1, 4, steps, h, w]: not the reference, the film so far, nor what a character's mask leaves."""
    height, width = reference.shape[-2:]
    drawn = torch.ones(1, 1, ((length - 1) // STEP + 1) * STEP, height, width)
    drawn[:, :, : steps * STEP] = 0
    if mask is not None:
        values = mask.values.expand(length, -1, -1) if len(mask.values) == 1 else mask.values[offset:]
        if len(values):
            sized = diffusion.latents.resize(values[:length, None], width, height, "nearest-exact", crop=True)
            drawn[0, 0, known : len(sized)] = sized[known:, 0]
    of_reference = torch.zeros(1, STEP, reference.shape[2], height, width)
    return torch.cat([of_reference, diffusion.film_frames.by_steps(drawn, STEP)], dim=2)
