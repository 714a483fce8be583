"""LoRA loaders."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from engine.context import Context
from engine.inputs import FileChoice, Float
from engine.registry import node
from nodes import diffusion
from nodes.values import Clip, Model

Strength = Annotated[float, Float(min=-100.0, max=100.0, step=0.01)]
LoraName = Annotated[str, FileChoice("loras")]


class ModelAndClip(NamedTuple):
    """A model and its text encoders, both changed by the same file."""

    MODEL: Model
    CLIP: Clip


@node("LoraLoader", category="loaders", display_name="Load LoRA")
def load_lora(
    ctx: Context,
    *,
    model: Model,
    clip: Clip,
    lora_name: LoraName,
    strength_model: Strength = 1.0,
    strength_clip: Strength = 1.0,
) -> ModelAndClip:
    """The model and its text encoders with a LoRA put on as patches; the weights underneath stay shared."""
    file = ctx.folders.find("loras", lora_name)
    changed = diffusion.lora.apply_lora(ctx.models, model, clip, file, strength_model, strength_clip)
    return ModelAndClip(*changed)


@node("LoraLoaderModelOnly", category="loaders")
def load_lora_model_only(ctx: Context, *, model: Model, lora_name: LoraName, strength_model: Strength = 1.0) -> Model:
    """The model alone with a LoRA put on."""
    file = ctx.folders.find("loras", lora_name)
    return diffusion.lora.apply_lora_to_model(ctx.models, model, file, strength_model)
