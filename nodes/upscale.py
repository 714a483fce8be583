"""Enlarging pictures with a model."""

from __future__ import annotations

from typing import Annotated

from engine.context import Context
from engine.inputs import FileChoice
from engine.registry import node
from engine.types import Image
from nodes import memory, pictures
from nodes.values import UpscaleModel


@node("UpscaleModelLoader", category="loaders", display_name="Load Upscale Model")
def load_upscale_model(ctx: Context, *, model_name: Annotated[str, FileChoice("upscale_models")]) -> UpscaleModel:
    """An image-to-image network (ESRGAN, SwinIR, DAT ...) of the upscale_models folder."""
    return pictures.upscale.load(ctx.folders.find("upscale_models", model_name))


@node(
    "ImageUpscaleWithModel",
    category="image/upscaling",
    display_name="Upscale Image (using Model)",
    memory=memory.enlarged_image,
    keep=True,
)
def upscale_with_model(ctx: Context, *, upscale_model: UpscaleModel, image: Image) -> Image:
    """Times the model's scale, in overlapping tiles of 512 pixels, smaller ones where memory runs out."""
    return Image(pictures.upscale.enlarge(image.pixels, upscale_model, ctx.models, ctx.progress))
