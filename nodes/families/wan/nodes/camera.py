"""Films whose camera moves as told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, NamedTuple

import lazy_loader as lazy

from engine.context import Context
from engine.inputs import Choice, Count, Float
from engine.registry import node
from engine.types import Image
from nodes import diffusion
from nodes.families.film_parts import FilmParts
from nodes.families.wan.nodes.inputs import CATEGORY, Frames, Side, with_seen
from nodes.families.wan.spaces import SPACE
from nodes.latent import empty
from nodes.values import Conditioning, Vae
from nodes.vision_values import ClipVisionOutput

if TYPE_CHECKING:
    import torch
    from torch import Tensor
else:
    torch = lazy.load("torch")

POSES = (
    "Static",
    "Pan Up",
    "Pan Down",
    "Pan Left",
    "Pan Right",
    "Zoom In",
    "Zoom Out",
    "Anti Clockwise (ACW)",
    "ClockWise (CW)",
)
STEP = SPACE.factors[0]
Focal = Annotated[float, Float(min=0, max=1, step=0.000000001, optional=True)]
Centre = Annotated[float, Float(min=0, max=1, step=0.01, optional=True)]


@dataclass(frozen=True, slots=True, eq=False)
class CameraEmbedding:
    """WAN_CAMERA_EMBEDDING: rays of a moving camera, float32[1, 24, steps, height, width], four frames a step."""

    wire: ClassVar[str] = "WAN_CAMERA_EMBEDDING"
    rays: Tensor


class Camera(NamedTuple):
    """The camera's rays, and the film's size for the nodes after this one."""

    camera_embedding: CameraEmbedding
    width: int
    height: int
    length: int


@node("WanCameraEmbedding", category=f"{CATEGORY}/camera")
def embed_camera(
    ctx: Context,
    *,
    camera_pose: Annotated[str, Choice(*POSES)] = "Static",
    width: Side = 832,
    height: Side = 480,
    length: Frames = 81,
    speed: Annotated[float, Float(min=0, max=10.0, step=0.1, optional=True)] = 1.0,
    fx: Focal = 0.5,
    fy: Focal = 0.5,
    cx: Centre = 0.5,
    cy: Centre = 0.5,
) -> Camera:
    """A camera that moves evenly; ``fx``, ``fy``: its focal lengths, ``cx``, ``cy``: its centre, as parts of a side."""
    from nodes.families.wan import camera

    rays = camera.rays(camera_pose, width, height, length, speed, (fx, fy, cx, cy))
    return Camera(CameraEmbedding(rays), width, height, length)


@node("WanCameraImageToVideo", category=f"{CATEGORY}/camera", keep=True)
def camera_image_to_film(
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
    camera_conditions: CameraEmbedding | None = None,
) -> FilmParts:
    """A film that starts with pictures and whose camera moves as ``camera_conditions`` says."""
    films, latent = diffusion.film_frames, empty(SPACE, width, height, frames=length, batch=batch_size)
    if start_image is not None:
        start = films.framed(start_image.pixels, width, height, length, input="start_image")
        known = films.laid_over(SPACE.from_model(latent.samples), films.encoded(ctx, vae, start), 0)
        mask = torch.ones(1, 1, latent.samples.shape[2] * STEP, *latent.samples.shape[-2:])
        mask[:, :, : start.shape[0] + STEP - 1] = 0
        mask = films.by_steps(mask, STEP)
        positive, negative = (each.set(concat_latent=known, concat_mask=mask) for each in (positive, negative))
    if camera_conditions is not None:
        rays = camera_conditions.rays
        positive, negative = (each.with_extra(camera_conditions=rays) for each in (positive, negative))
    return FilmParts(with_seen(positive, clip_vision_output), with_seen(negative, clip_vision_output), latent)
