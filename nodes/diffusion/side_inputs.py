"""What a network gets beside the noisy latent and the prompt: inpainting's extra channels, SDXL's size vector."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from engine.types import PIXELS_PER_LATENT
from nodes.diffusion import adm
from nodes.diffusion.latents import resize
from nodes.diffusion.noise_levels import LogUniform
from nodes.diffusion.regions import Placed
from nodes.values import Cond, Model

# The mean colour of what VAE encoders make of mid grey, which is what inpainting models were shown for "nothing".
BLANK_INPAINT_LATENT = (0.8223, -0.6876, 0.6364, 0.1380)


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """What all prompts of one sampling call share.

    ``latent``: the picture in the denoiser's scale, float32[batch, channels, height, width], on the device; ``mask``:
    the noise mask of the same shape, or None.
    """

    model: Model
    latent: Tensor
    mask: Tensor | None


def with_side_inputs(placed: Placed, entry: Cond, role: str, scene: Scene) -> Placed:
    """``placed`` with the vector and the channels that the model wants for ``entry``."""
    height_px, width_px = (side * PIXELS_PER_LATENT for side in scene.latent.shape[-2:])
    y = adm.vector(scene.model.family, entry, width_px=width_px, height_px=height_px, negative=role != "positive")
    return replace(placed, y=None if y is None else y.to(scene.latent.device), concat=_channels(entry, scene))


def _channels(entry: Cond, scene: Scene) -> Tensor | None:
    parts = scene.model.family.concat
    if parts == ("image",):
        return _instruction_channels(entry, scene)
    return torch.cat([_inpaint_part(part, entry, scene) for part in parts], dim=1) if parts else None


def _inpaint_part(part: str, entry: Cond, scene: Scene) -> Tensor:
    """The mask (1 = paint here) or the picture with a hole; without any mask, all is to be painted."""
    mask = entry.concat_mask if entry.concat_mask is not None else scene.mask
    if part == "mask":
        if mask is None:
            return torch.ones_like(scene.latent[:, :1])
        mask = mask[:, :1] if mask.ndim == 4 else mask
        return _fit(mask.reshape(-1, 1, *mask.shape[-2:]).to(scene.latent), scene.latent, rounded=True)
    if mask is None:
        colour = torch.tensor(BLANK_INPAINT_LATENT, device=scene.latent.device)
        return colour.view(1, -1, 1, 1).expand_as(scene.latent)
    if entry.concat_latent is None:
        return scene.latent
    return _fit(scene.model.family.latent.to_model(entry.concat_latent.to(scene.latent)), scene.latent)


def _instruction_channels(entry: Cond, scene: Scene) -> Tensor:
    """The picture to edit. InstructPix2Pix reads it as the VAE gives it, CosXL Edit in the denoiser's scale."""
    if entry.concat_latent is None:
        return torch.zeros_like(scene.latent)
    picture = entry.concat_latent.to(scene.latent)
    if isinstance(scene.model.parameterization.levels, LogUniform):
        picture = scene.model.family.latent.to_model(picture)
    return _fit(picture, scene.latent)


def _fit(tensor: Tensor, latent: Tensor, rounded: bool = False) -> Tensor:
    if tensor.shape[-2:] != latent.shape[-2:]:
        tensor = resize(tensor, latent.shape[-1], latent.shape[-2], "bilinear", crop=True)
    return spread_batch(tensor.round() if rounded else tensor, latent.shape[0])


def spread_batch(tensor: Tensor, batch: int) -> Tensor:
    """``tensor`` along its first dimension stretched or thinned to ``batch`` items, evenly."""
    have = tensor.shape[0]
    if have == batch or batch <= 1:
        return tensor[:batch]
    if batch < have:
        step = (have - 1) / (batch - 1)
        picks = [min(round(i * step), have - 1) for i in range(batch)]
    else:
        picks = [min(int((i + 0.5) * have / batch), have - 1) for i in range(batch)]
    return tensor[picks]
