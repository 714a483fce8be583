"""LoRA loaders."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from engine.context import Context
from engine.inputs import FileChoice, Float
from engine.registry import node
from engine.types import Absent
from nodes import diffusion
from nodes.values import Clip, Model

Strength = Annotated[float, Float(min=-100.0, max=100.0, step=0.01)]
LoraName = Annotated[str, FileChoice("loras")]


class ModelAndClip(NamedTuple):
    """A model and its text encoders, both changed by the same file."""

    MODEL: Model
    CLIP: Clip | Absent


@node("LoraLoader", category="loaders", display_name="Load LoRA")
def load_lora(
    ctx: Context,
    *,
    model: Model,
    clip: Clip | Absent,
    lora_name: LoraName,
    strength_model: Strength = 1.0,
    strength_clip: Strength = 1.0,
) -> ModelAndClip:
    """The model and its text encoders with a LoRA put on as patches; the weights underneath stay shared.

    What of the file does not fit is left out, and noted.
    """
    changed, changed_clip = diffusion.lora.apply_lora(
        ctx.models,
        model,
        clip if isinstance(clip, Clip) else None,
        ctx.folders.find("loras", lora_name),
        strength_model=strength_model,
        strength_clip=strength_clip,
        note=ctx.note,
    )
    return ModelAndClip(changed, clip if changed_clip is None else changed_clip)


@node("LoraLoaderModelOnly", category="loaders")
def load_lora_model_only(ctx: Context, *, model: Model, lora_name: LoraName, strength_model: Strength = 1.0) -> Model:
    """The model alone with a LoRA put on; what of the file does not fit is left out, and noted."""
    file = ctx.folders.find("loras", lora_name)
    changed, _ = diffusion.lora.apply_lora(
        ctx.models, model, None, file, strength_model=strength_model, strength_clip=0.0, note=ctx.note
    )
    return changed
