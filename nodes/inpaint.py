"""Nodes for painting parts of pictures anew, with any model or with one made for it, and for editing by instruction."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, NamedTuple

import lazy_loader as lazy

from engine.context import Context
from engine.inputs import Float, Int
from engine.registry import node
from engine.types import Image, Mask
from nodes import diffusion
from nodes.hooks import GuidancePatches
from nodes.values import Conditioning, Latent, Model, Vae

if TYPE_CHECKING:
    import torch
else:
    torch = lazy.load("torch")


class InpaintParts(NamedTuple):
    """Both prompts with what the model sees beside them, and the latent to denoise."""

    positive: Conditioning
    negative: Conditioning
    latent: Latent


@node("SetLatentNoiseMask", category="latent/inpaint", display_name="Set Latent Noise Mask")
def set_latent_noise_mask(ctx: Context, *, samples: Latent, mask: Mask) -> Latent:
    """The latent with noise, and so change, only where ``mask`` is 1."""
    return replace(samples, noise_mask=mask.values.reshape(-1, 1, *mask.values.shape[-2:]))


@node("VAEEncodeForInpaint", category="latent/inpaint", display_name="VAE Encode (for Inpainting)", keep=True)
def vae_encode_for_inpaint(
    ctx: Context,
    *,
    pixels: Image,
    vae: Vae,
    mask: Mask,
    grow_mask_by: Annotated[int, Int(min=0, max=64, step=1)] = 6,
) -> Latent:
    """The picture encoded with the masked part in grey, to be painted anew.

    The noise mask is the mask grown by ``grow_mask_by`` pixels, so that the seam falls outside.
    """
    picture, hole = diffusion.holes.cut_hole(pixels.pixels, mask.values, vae.space.factors[2])
    samples = diffusion.vae.encode(ctx, vae, picture)
    return Latent(samples, noise_mask=diffusion.holes.grow(hole, grow_mask_by))


@node("InpaintModelConditioning", category="conditioning/inpaint", keep=True)
def inpaint_model_conditioning(
    ctx: Context,
    *,
    positive: Conditioning,
    negative: Conditioning,
    vae: Vae,
    pixels: Image,
    mask: Mask,
    noise_mask: bool = True,
) -> InpaintParts:
    """The picture with a grey hole beside the prompts, for models with channels for it, and the picture to denoise.

    ``noise_mask``: also keep what lies outside the mask exactly as it is.
    """
    picture, hole = diffusion.holes.cut_hole(pixels.pixels, mask.values)
    seen = diffusion.vae.encode(ctx, vae, picture)
    latent = Latent(diffusion.vae.encode(ctx, vae, pixels.pixels), noise_mask=hole if noise_mask else None)
    positive, negative = (c.set(concat_latent=seen, concat_mask=hole) for c in (positive, negative))
    return InpaintParts(positive, negative, latent)


@node("InstructPixToPixConditioning", category="conditioning/instructpix2pix", keep=True)
def instruct_pix_to_pix_conditioning(
    ctx: Context, *, positive: Conditioning, negative: Conditioning, vae: Vae, pixels: Image
) -> InpaintParts:
    """The picture to edit beside the prompts, for models that follow instructions, and zeros to denoise."""
    seen = diffusion.vae.encode(ctx, vae, diffusion.holes.crop_to_grid(pixels.pixels))
    positive, negative = (c.set(concat_latent=seen) for c in (positive, negative))
    return InpaintParts(positive, negative, Latent(torch.zeros_like(seen)))


@node("DifferentialDiffusion", category="_for_testing", display_name="Differential Diffusion", experimental=True)
def differential_diffusion(
    ctx: Context,
    *,
    model: Model,
    strength: Annotated[float, Float(min=0.0, max=1.0, step=0.01, optional=True)] = 1.0,
) -> Model:
    """The model with noise masks whose greys say how much each pixel may change (https://arxiv.org/abs/2306.00950)."""
    return model.with_guidance(GuidancePatches(denoise_mask=diffusion.denoiser.differential_mask(strength)))
