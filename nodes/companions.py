"""Networks that run beside a model's: loading them, and putting them on with the pictures that they read."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from engine.context import Context
from engine.errors import InputInvalid
from engine.inputs import FileChoice, Float
from engine.registry import node
from engine.types import Image, Mask
from nodes import diffusion
from nodes.values import Companion, Model, ModelPatch, Vae

Strength = Annotated[float, Float(min=-10.0, max=10.0, step=0.01)]


@node("ModelPatchLoader", category="model/loaders", display_name="Load Model Patch", experimental=True)
def load_model_patch(ctx: Context, *, name: Annotated[str, FileChoice("model_patches")]) -> ModelPatch:
    """A network that runs beside a model's: DiffSynth's ControlNets of Qwen-Image, the Fun ones of Z-Image."""
    return diffusion.companions.load_model_patch(ctx.folders.find("model_patches", name))


@node(
    "QwenImageDiffsynthControlnet",
    category="model/patch/qwen",
    display_name="Apply Qwen Image DiffSynth ControlNet",
    experimental=True,
)
def apply_diffsynth_control(
    ctx: Context,
    *,
    model: Model,
    model_patch: ModelPatch,
    vae: Vae,
    image: Image,
    strength: Strength = 1.0,
    mask: Mask | None = None,
) -> Model:
    """The model under a control picture, for all prompts; of either kind of network."""
    return _beside(ctx, model, model_patch, vae, strength, image, None, mask)


@node(
    "ZImageFunControlnet",
    category="model/patch/z-image",
    display_name="Apply Z-Image Fun ControlNet",
    experimental=True,
)
def apply_fun_control(
    ctx: Context,
    *,
    model: Model,
    model_patch: ModelPatch,
    vae: Vae,
    strength: Strength = 1.0,
    image: Image | None = None,
    inpaint_image: Image | None = None,
    mask: Mask | None = None,
) -> Model:
    """The model under a control picture, or with a picture in which what the mask covers is drawn."""
    return _beside(ctx, model, model_patch, vae, strength, image, inpaint_image, mask)


def _beside(
    ctx: Context,
    model: Model,
    patch: ModelPatch,
    vae: Vae,
    strength: float,
    image: Image | None,
    inpaint: Image | None,
    mask: Mask | None,
) -> Model:
    if not patch.kind.part.fits(ctx.models.shapes(patch.weights), ctx.models.shapes(model.weights)):
        raise InputInvalid(
            f"this {patch.kind.title} does not fit the model, which is of the family {model.family.title}",
            input="model_patch",
            remedy="load a model patch made for this model in ModelPatchLoader",
        )
    companion = Companion(
        patch,
        vae,
        strength,
        None if image is None else image.pixels[..., :3],
        None if inpaint is None else inpaint.pixels[..., :3],
        None if mask is None else mask.values,
    )
    return replace(model, companions=(*model.companions, companion))
