"""What HunyuanVideo's transformer gets beside the noisy latent."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from nodes.diffusion.inputs import Input, Scene, repeat_batch
from nodes.diffusion.latents import resize
from nodes.diffusion.transformers import context_of
from nodes.families.hunyuan_video.denoiser import HunyuanVideoVariant
from nodes.values import Cond

DEFAULT_GUIDANCE = 6.0


def inputs(entry: Cond, scene: Scene) -> dict[str, Input]:
    """By name, see :func:`nodes.families.hunyuan_video.denoiser.step`.

    Raises ``InputInvalid`` for another family's prompt.
    """
    variant: HunyuanVideoVariant = scene.model.variant
    found = {"context": context_of(entry, scene, variant.context_width)}
    if entry.pooled is not None:
        found["pooled"] = Input(entry.pooled)
    guidance = entry.extra.get("guidance", DEFAULT_GUIDANCE)
    if guidance is not None:
        found["guidance"] = Input(torch.tensor([guidance], dtype=torch.float32))
    if (index := entry.extra.get("guiding_frame_index")) is not None:
        found["clean"] = Input(torch.tensor([index], dtype=torch.float32))
    if (reference := entry.extra.get("ref_latent")) is not None:
        found["reference"] = Input(scene.model.space.to_model(reference.to(scene.latent.device)))
    if variant.is_later:
        return found | _of_later(entry, scene)
    if variant.channels > scene.latent.shape[1]:
        found["beside"] = Input(torch.cat([_picture(entry, scene), _known(entry, scene)], dim=1), "cut")
    return found


def _of_later(entry: Cond, scene: Scene) -> dict[str, Input]:
    """What only 1.5 gets: a picture before its mask, as its encoder sees it, and words to be written."""
    latent, device = scene.latent, scene.latent.device
    picture, known = torch.zeros_like(latent), torch.zeros_like(latent[:, :1])
    size = (latent.shape[-1], latent.shape[-2])
    if entry.concat_latent is not None:
        given = scene.model.space.to_model(entry.concat_latent.to(device))
        picture = repeat_batch(resize(given, *size, "bilinear", crop=True), latent.shape[0])
    mask = scene.mask if entry.concat_mask is None else entry.concat_mask
    if mask is not None:
        known = _as_long(resize(1 - mask[:, :1].to(device), *size, "bilinear", crop=True), latent)
        known = repeat_batch(known, latent.shape[0])
    found = {"beside": Input(torch.cat([picture, known], dim=1), "cut")}
    if (seen := entry.extra.get("clip_vision_output")) is not None:
        found["seen"] = Input(seen.last_hidden.to(device))
    if (glyphs := entry.extra.get("conditioning_byt5small")) is not None:
        found["glyphs"] = Input(glyphs.to(device))
    return found


def _picture(entry: Cond, scene: Scene) -> Tensor:
    """A picture in the denoiser's scale, where there is none the latent that is denoised."""
    latent = scene.latent
    if entry.concat_latent is None:
        return latent
    picture = scene.model.space.to_model(entry.concat_latent.to(latent.device))
    picture = resize(picture, latent.shape[-1], latent.shape[-2], "bilinear", crop=True)
    return repeat_batch(_as_long(picture, latent), latent.shape[0])


def _known(entry: Cond, scene: Scene) -> Tensor:
    """1 where the picture is known: [batch, 1, *grid]."""
    latent = scene.latent
    mask = scene.mask if entry.concat_mask is None else entry.concat_mask
    if mask is None:
        return torch.zeros_like(latent[:, :1])
    mask = resize(mask[:, :1].to(latent.device), latent.shape[-1], latent.shape[-2], "bilinear", crop=True)
    return repeat_batch(1 - mask.round(), latent.shape[0])


def _as_long(film: Tensor, like: Tensor) -> Tensor:
    missing = like.shape[2] - film.shape[2]
    return F.pad(film, (0, 0, 0, 0, 0, missing)) if missing > 0 else film[:, :, : like.shape[2]]
