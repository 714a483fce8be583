"""What a UNet gets beside the noisy latent: the prompt, and the channels of inpainting and editing models."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.errors import InputInvalid
from nodes.diffusion.inputs import Input, Scene, spread_batch
from nodes.diffusion.latents import resize
from nodes.diffusion.noise_levels import LogUniform
from nodes.families.sd.variant import SDVariant
from nodes.values import Cond

# The mean colour of what VAE encoders make of mid grey, which is what inpainting models were shown for "nothing".
BLANK_INPAINT_LATENT = (0.8223, -0.6876, 0.6364, 0.1380)


def inputs(entry: Cond, scene: Scene) -> dict[str, Input]:
    """``context``, and ``channels`` where the network has them. Raises ``InputInvalid`` for another family's prompt."""
    variant: SDVariant = scene.model.variant
    width = entry.context.shape[-1]
    if width != variant.context_width:
        raise InputInvalid(
            f"this prompt was encoded {width} wide, but the model reads prompts {variant.context_width} wide",
            input=scene.role,
            remedy="encode it with the CLIP of the same checkpoint",
        )
    found = {"context": Input(entry.context.to(scene.latent.device), "repeat")}
    channels = _channels(entry, scene, variant)
    return found if channels is None else {**found, "channels": Input(channels, "cut")}


def _channels(entry: Cond, scene: Scene, variant: SDVariant) -> Tensor | None:
    if variant.concat == ("image",):
        return _instruction_channels(entry, scene)
    parts = [_inpaint_part(part, entry, scene) for part in variant.concat]
    return torch.cat(parts, dim=1) if parts else None


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
    return _fit(scene.model.space.to_model(entry.concat_latent.to(scene.latent)), scene.latent)


def _instruction_channels(entry: Cond, scene: Scene) -> Tensor:
    """The picture to edit. InstructPix2Pix reads it as the VAE gives it, CosXL Edit in the denoiser's scale."""
    if entry.concat_latent is None:
        return torch.zeros_like(scene.latent)
    picture = entry.concat_latent.to(scene.latent)
    if isinstance(scene.model.parameterization.levels, LogUniform):
        picture = scene.model.space.to_model(picture)
    return _fit(picture, scene.latent)


def _fit(tensor: Tensor, latent: Tensor, rounded: bool = False) -> Tensor:
    if tensor.shape[-2:] != latent.shape[-2:]:
        tensor = resize(tensor, latent.shape[-1], latent.shape[-2], "bilinear", crop=True)
    return spread_batch(tensor.round() if rounded else tensor, latent.shape[0])
