"""Nodes that enlarge a film's latent by a network."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from engine.context import Context
from engine.errors import InputInvalid
from engine.inputs import FileChoice
from engine.registry import node
from nodes.values import Latent, LatentUpscaleModel, Vae


@node("LatentUpscaleModelLoader", category="model/loaders", display_name="Load Latent Upscale Model")
def load_upsampler(
    ctx: Context, *, model_name: Annotated[str, FileChoice("latent_upscale_models")]
) -> LatentUpscaleModel:
    """A network that enlarges latents of films, from a file of its own."""
    from nodes.families.ltx.upsampler import load  # which loads torch

    return load(ctx.folders.find("latent_upscale_models", model_name))


@node("LTXVLatentUpsampler", category="model/latent/ltxv", experimental=True, keep=True)
def upsample(ctx: Context, *, samples: Latent, upscale_model: LatentUpscaleModel, vae: Vae) -> Latent:
    """The latent in more cells, without a mask. Raises ``InputInvalid`` for latents and VAEs of other kinds."""
    from nodes.families.ltx.upsampler import enlarged  # which loads torch

    if vae.kind.name != "ltx":
        raise InputInvalid(f"this is a {vae.kind.title}", input="vae", remedy="use the VAE of the film's checkpoint")
    if samples.samples.ndim != 5 or samples.samples.shape[1] != upscale_model.channels:
        raise InputInvalid(
            f"this network enlarges films of {upscale_model.channels} channels and was given shape "
            f"{tuple(samples.samples.shape)}",
            input="samples",
            remedy="give the latent of a film, without its guides",
        )
    return replace(samples, samples=enlarged(ctx.models, upscale_model, vae, samples.samples), noise_mask=None)
