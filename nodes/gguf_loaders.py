"""ComfyUI-GGUF's loaders by name: any loader here reads GGUF files, so these are the ordinary ones."""

from __future__ import annotations

from typing import Annotated

from engine.context import Context
from engine.inputs import Choice, FileChoice
from engine.registry import node
from nodes import diffusion, text_loaders
from nodes.text_loaders import PAIR_TYPES, SINGLE_TYPES, EncoderName
from nodes.values import Clip, Model

UnetName = Annotated[str, FileChoice("diffusion_models", network=True)]
# Blocks are made into numbers in float32 and rounded once, to what the network computes in: no choice gives more.
NumberFormat = Annotated[str, Choice("default", "target", "float32", "float16", "bfloat16")]


@node("UnetLoaderGGUF", category="bootleg", display_name="Unet Loader (GGUF)")
def load_unet_gguf(ctx: Context, *, unet_name: UnetName) -> Model:
    """A denoiser from a GGUF file, kept in its blocks until a layer is computed."""
    return diffusion.checkpoints.load_unet(ctx.folders.find("diffusion_models", unet_name))


@node("UnetLoaderGGUFAdvanced", category="bootleg", display_name="Unet Loader (GGUF/Advanced)")
def load_unet_gguf_advanced(
    ctx: Context,
    *,
    unet_name: UnetName,
    dequant_dtype: NumberFormat = "default",
    patch_dtype: NumberFormat = "default",
    patch_on_device: bool = False,
) -> Model:
    """As UnetLoaderGGUF. The formats and the place of LoRAs change nothing: both are float32, on the device."""
    return load_unet_gguf(ctx, unet_name=unet_name)


@node("CLIPLoaderGGUF", category="bootleg", display_name="CLIPLoader (GGUF)")
def load_clip_gguf(ctx: Context, *, clip_name: EncoderName, type: Annotated[str, Choice(*SINGLE_TYPES)]) -> Clip:
    """A text encoder from a GGUF file, or from any other."""
    return text_loaders.load_clip(ctx, clip_name=clip_name, type=type)


@node("DualCLIPLoaderGGUF", category="bootleg", display_name="DualCLIPLoader (GGUF)")
def load_clip_pair_gguf(
    ctx: Context, *, clip_name1: EncoderName, clip_name2: EncoderName, type: Annotated[str, Choice(*PAIR_TYPES)]
) -> Clip:
    """Two text encoders that are read together, each from a GGUF file or from any other."""
    return text_loaders.load_clip_pair(ctx, clip_name1=clip_name1, clip_name2=clip_name2, type=type)


@node("TripleCLIPLoaderGGUF", category="bootleg", display_name="TripleCLIPLoader (GGUF)")
def load_clip_triple_gguf(
    ctx: Context, *, clip_name1: EncoderName, clip_name2: EncoderName, clip_name3: EncoderName
) -> Clip:
    """Stable Diffusion 3's text encoders, each from a GGUF file or from any other."""
    return text_loaders.load_clip_triple(ctx, clip_name1=clip_name1, clip_name2=clip_name2, clip_name3=clip_name3)
