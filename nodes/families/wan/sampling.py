"""What Wan's transformer gets beside the noisy latent: prompts, pictures, masks and controls, by variant."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.errors import InputInvalid
from nodes.diffusion.inputs import Input, Scene, repeat_batch
from nodes.diffusion.latents import resize
from nodes.diffusion.transformers import context_of
from nodes.families.wan.denoiser import WanVariant
from nodes.latent_space import LatentSpace
from nodes.values import Cond

MASKS = 4
"""Channels of the mask: one for each frame of a step."""


def inputs(entry: Cond, scene: Scene) -> dict[str, Input]:
    """By name, see :func:`nodes.families.wan.denoiser.step`. Raises ``InputInvalid`` for another family's prompt."""
    variant: WanVariant = scene.model.variant
    found = {"context": context_of(entry, scene, variant.context_width)}
    device, space = scene.latent.device, scene.model.space
    if (more := _beside(entry, scene, variant)) is not None:
        found["beside"] = Input(more, "cut")
    if (seen := entry.extra.get("clip_vision_output")) is not None and variant.reads_pictures:
        found["seen"] = Input(seen.penultimate_hidden.to(device))
    if scene.model.keeps_clean and scene.mask is not None:
        found["noisy"] = Input(scene.mask.mean(dim=(1, 3, 4)))
    if (behind := entry.extra.get("time_dim_concat")) is not None:
        found["behind"] = Input(space.to_model(behind.to(device)))
    if variant.has_reference and (references := entry.extra.get("reference_latents")):
        found["reference"] = Input(space.to_model(references[-1].to(device))[:, :, 0])
    if variant.has_camera and (rays := entry.extra.get("camera_conditions")) is not None:
        found["camera"] = Input(rays.to(device))
    if variant.has_faces:
        if (pose := entry.extra.get("pose_video_latent")) is not None:
            found["pose"] = Input(space.to_model(pose.to(device)))
        if (faces := entry.extra.get("face_video_pixels")) is not None:
            found["faces"] = Input(faces.to(device))
    return found | (_vace(entry, scene) if variant.has_vace else {})


def _beside(entry: Cond, scene: Scene, variant: WanVariant) -> Tensor | None:
    """The channels after the noisy ones: a mask where there is room for one, and pictures."""
    latent = scene.latent
    room = variant.channels - latent.shape[1]
    if room == 0:
        return None
    picture = _picture(entry, scene, room)
    is_masked = variant.masked and room != picture.shape[1]
    if not is_masked:
        return picture
    picture = picture[:, : room - MASKS]
    mask, index = _mask(entry, scene), int(entry.extra.get("concat_mask_index", 0))
    made = torch.cat([picture[:, :index], mask, picture[:, index:]], dim=1)
    if made.shape[1] != room:
        raise InputInvalid(
            f"this model reads {room} channels beside the noise, and the conditioning brings {made.shape[1]}",
            input=scene.role,
            remedy="use the conditioning node that is made for this variant of the model",
        )
    return made


def _picture(entry: Cond, scene: Scene, room: int) -> Tensor:
    """Pictures in the denoiser's scale; zeros where there is none."""
    latent = scene.latent
    if entry.concat_latent is None:
        return latent.new_zeros(latent.shape[0], room, *latent.shape[2:])
    return repeat_batch(_fitted(entry.concat_latent, scene), latent.shape[0])


def _fitted(given: Tensor, scene: Scene) -> Tensor:
    latent = scene.latent
    sized = resize(given.to(latent.device), latent.shape[-1], latent.shape[-2], "bilinear", crop=True)
    return in_groups(sized, scene.model.space)


def in_groups(latents: Tensor, space: LatentSpace) -> Tensor:
    """Several latents beside each other, each in the denoiser's scale."""
    each = torch.split_with_sizes(latents, [space.channels] * (latents.shape[1] // space.channels), dim=1)
    return torch.cat([space.to_model(one) for one in each], dim=1)


def _mask(entry: Cond, scene: Scene) -> Tensor:
    """What is known, 1 where a picture is: [batch, 4, *grid]."""
    latent = scene.latent
    mask = scene.mask if entry.concat_mask is None else entry.concat_mask
    if mask is None:
        return torch.zeros_like(latent)[:, :MASKS]
    if mask.shape[1] != MASKS:
        mask = mask.mean(dim=1, keepdim=True)
    mask = resize(1.0 - mask.to(latent.device), latent.shape[-1], latent.shape[-2], "bilinear", crop=True)
    missing = latent.shape[2] - mask.shape[2]
    mask = F.pad(mask, (0, 0, 0, 0, 0, missing)) if missing > 0 else mask
    mask = mask.repeat(1, MASKS, 1, 1, 1) if mask.shape[1] == 1 else mask
    return repeat_batch(mask, latent.shape[0])


def _vace(entry: Cond, scene: Scene) -> dict[str, Input]:
    latent = scene.latent
    batch, _, *grid = latent.shape
    frames = entry.extra.get("vace_frames") or (latent.new_zeros(batch, 2 * scene.model.space.channels, *grid),)
    masks = entry.extra.get("vace_mask") or (latent.new_ones(batch, 64, *grid),) * len(frames)
    given = [
        torch.cat([in_groups(own.to(latent.device), scene.model.space), mask.to(latent.device)], dim=1)
        for own, mask in zip(frames, masks, strict=True)
    ]
    strengths = tuple(entry.extra.get("vace_strength") or (1.0,) * len(frames))
    return {"vace": Input(torch.stack(given, dim=1)), "vace_strength": Input(strengths, "same")}
