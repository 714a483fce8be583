"""What Stable Video Diffusion's UNet gets beside the noisy frames: a picture, and numbers of the film."""

from __future__ import annotations

import torch

from nodes.diffusion.inputs import Input, Scene, repeat_batch
from nodes.diffusion.latents import resize
from nodes.diffusion.transformers import context_of
from nodes.families.svd.denoiser import SVDVariant
from nodes.values import Cond

FPS, MOTION, NOISE = 6, 127, 0.0


def inputs(entry: Cond, scene: Scene) -> dict[str, Input]:
    """By name, see :func:`nodes.families.svd.denoiser.step`. Raises ``InputInvalid`` for another family's prompt."""
    variant: SVDVariant = scene.model.variant
    latent = scene.latent
    picture = torch.zeros_like(latent)
    if entry.concat_latent is not None:
        # As the VAE gives it, without the denoiser's scale.
        given = resize(entry.concat_latent.to(latent), latent.shape[-1], latent.shape[-2], "bilinear", crop=True)
        picture = repeat_batch(given, latent.shape[0])
    told = entry.extra
    ids = [told.get("fps", FPS) - 1, told.get("motion_bucket_id", MOTION), told.get("augmentation_level", NOISE)]
    return {
        "context": context_of(entry, scene, variant.context_width),
        "picture": Input(picture, "cut"),
        "ids": Input(torch.tensor([ids], dtype=torch.float32)),
        "frames": Input(latent.shape[0], "same"),
    }
