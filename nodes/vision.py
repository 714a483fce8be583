"""Pictures read by encoders, and prompts in the style of pictures."""

from __future__ import annotations

from typing import Annotated, Literal, cast

from engine.context import Context
from engine.inputs import Choice, FileChoice, Float
from engine.registry import node
from engine.types import Image
from nodes import diffusion
from nodes.values import Conditioning
from nodes.vision_values import ClipVision, ClipVisionOutput, StyleModel


@node("CLIPVisionLoader", category="model/loaders", display_name="Load CLIP Vision")
def load_clip_vision(ctx: Context, *, clip_name: Annotated[str, FileChoice("clip_vision")]) -> ClipVision:
    """An encoder of pictures, CLIP's or SigLIP's, from a file of its own."""
    return diffusion.vision.load_vision(ctx.folders.find("clip_vision", clip_name))


@node("CLIPVisionEncode", category="model/conditioning", display_name="CLIP Vision Encode")
def encode_picture(
    ctx: Context, *, clip_vision: ClipVision, image: Image, crop: Annotated[str, Choice("center", "none")]
) -> ClipVisionOutput:
    """What the encoder sees in the pictures, cut to a square in their centre or stretched to one."""
    return diffusion.vision.encode(ctx.models, clip_vision, image.pixels, crop=crop == "center")


@node("StyleModelLoader", category="model/loaders", display_name="Load Style Model")
def load_style_model(ctx: Context, *, style_model_name: Annotated[str, FileChoice("style_models")]) -> StyleModel:
    """A style model, such as Flux.1 Redux."""
    return diffusion.vision.load_style(ctx.folders.find("style_models", style_model_name))


@node(
    "StyleModelApply",
    category="model/conditioning",
    display_name="Apply Style Model",
    search_aliases=("style transfer",),
)
def apply_style_model(
    ctx: Context,
    *,
    conditioning: Conditioning,
    style_model: StyleModel,
    clip_vision_output: ClipVisionOutput,
    strength: Annotated[float, Float(min=0.0, max=10.0, step=0.001)] = 1.0,
    strength_type: Annotated[str, Choice("multiply", "attn_bias")],
) -> Conditioning:
    """The prompts followed by tokens in the style of the picture that was encoded."""
    kind = cast(Literal["multiply", "attn_bias"], strength_type)
    return diffusion.vision.apply_style(ctx.models, style_model, conditioning, clip_vision_output, strength, kind)
