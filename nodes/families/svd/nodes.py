"""Nodes of Stable Video Diffusion: its checkpoint, what a film starts from, guidance that changes over the frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NamedTuple

import lazy_loader as lazy

from engine.context import Context
from engine.errors import InputInvalid
from engine.inputs import MAX_SIDE_PX, FileChoice, Float, Int, Shown
from engine.registry import node
from engine.types import Absent, Image
from nodes import diffusion
from nodes.families.film_parts import FilmParts
from nodes.families.sd import SPACE
from nodes.families.svd import VISION
from nodes.latent import empty
from nodes.values import Cond, Conditioning, Model, Vae
from nodes.vision_values import ClipVision

if TYPE_CHECKING:
    import torch
else:
    torch = lazy.load("torch")

Side = Annotated[int, Int(min=16, max=MAX_SIDE_PX, step=8)]
LeastCfg = Annotated[float, Float(min=0.0, max=100.0, step=0.5, round=0.01), Shown(advanced=True)]


class ImageCheckpoint(NamedTuple):
    """A checkpoint's denoiser, encoder of pictures and VAE."""

    MODEL: Model
    CLIP_VISION: ClipVision
    VAE: Vae | Absent


@node(
    "ImageOnlyCheckpointLoader",
    category="model/loaders",
    display_name="Load Checkpoint Image Only (img2vid model)",
)
def load_image_checkpoint(
    ctx: Context, *, ckpt_name: Annotated[str, FileChoice("checkpoints", network=True)]
) -> ImageCheckpoint:
    """The denoiser, the encoder of pictures and the VAE of a checkpoint that reads pictures in place of prompts."""
    path = ctx.folders.find("checkpoints", ckpt_name)
    checkpoint = diffusion.checkpoints.load_checkpoint(path)
    vision = diffusion.vision.load_vision_of(path, VISION, input="ckpt_name")
    no_vae = Absent(f"checkpoint '{ckpt_name}' holds no VAE", "load one with VAELoader")
    return ImageCheckpoint(checkpoint.model, vision, checkpoint.vae or no_vae)


@node("SVD_img2vid_Conditioning", category="model/conditioning/stable video", keep=True)
def picture_to_film(
    ctx: Context,
    *,
    clip_vision: ClipVision,
    init_image: Image,
    vae: Vae,
    width: Side = 1024,
    height: Side = 576,
    video_frames: Annotated[int, Int(min=1, max=4096)] = 14,
    motion_bucket_id: Annotated[int, Int(min=1, max=1023), Shown(advanced=True)] = 127,
    fps: Annotated[int, Int(min=1, max=1024)] = 6,
    augmentation_level: Annotated[float, Float(min=0.0, max=10.0, step=0.01), Shown(advanced=True)] = 0.0,
) -> FilmParts:
    """A film that starts with a picture. ``motion_bucket_id``: how much moves; ``augmentation_level``: how much noise
    is laid over the picture, always the same, against films that stand still.
    """
    if not len(init_image.pixels):
        raise InputInvalid("there is no picture to start from", input="init_image", remedy="give one")
    seen = diffusion.vision.encode(ctx.models, clip_vision, init_image.pixels, crop=True).summary[None]
    pixels = diffusion.film_frames.framed(
        init_image.pixels[..., :3], width, height, len(init_image.pixels), input="init_image"
    )
    if augmentation_level > 0:
        pixels = pixels + diffusion.noise.initial(pixels.shape, 0) * augmentation_level
    known = diffusion.vae.encode(ctx, vae, pixels)
    told = {"motion_bucket_id": motion_bucket_id, "fps": fps, "augmentation_level": augmentation_level}
    return FilmParts(
        Conditioning((Cond(seen, concat_latent=known, extra=told),)),
        Conditioning((Cond(torch.zeros_like(seen), concat_latent=torch.zeros_like(known), extra=told),)),
        empty(SPACE, width, height, batch=video_frames),
    )


@node("VideoLinearCFGGuidance", category="model/sampling/guiders")
def guide_linearly(ctx: Context, *, model: Model, min_cfg: LeastCfg = 1.0) -> Model:
    """Guidance whose scale grows from ``min_cfg`` at the first frame to the sampler's at the last."""
    return model.with_guidance(diffusion.patches.cfg.over_frames(min_cfg, "line"))


@node("VideoTriangleCFGGuidance", category="model/sampling/guiders")
def guide_in_a_triangle(ctx: Context, *, model: Model, min_cfg: LeastCfg = 1.0) -> Model:
    """Guidance whose scale grows from ``min_cfg`` to the sampler's in the middle of the film, and falls again."""
    return model.with_guidance(diffusion.patches.cfg.over_frames(min_cfg, "triangle"))
