"""Model merging: weighted sums of two models or of two sets of text encoders."""

from __future__ import annotations

from typing import Annotated

from engine.context import Context
from engine.inputs import Float
from engine.registry import node
from nodes import diffusion
from nodes.values import Clip, Model

CATEGORY = "advanced/model_merging"
Ratio = Annotated[float, Float(min=0.0, max=1.0, step=0.01)]
Multiplier = Annotated[float, Float(min=-10.0, max=10.0, step=0.01)]


@node("ModelMergeSimple", category=CATEGORY)
def merge_simple(ctx: Context, *, model1: Model, model2: Model, ratio: Ratio = 1.0) -> Model:
    """``ratio`` of model1 and the rest of model2."""
    mix = diffusion.merging.Mix(ratio, 1 - ratio)
    return diffusion.merging.merge_models(ctx.models, model1, model2, lambda _name: mix)


@node("ModelMergeAdd", category=CATEGORY)
def merge_add(ctx: Context, *, model1: Model, model2: Model) -> Model:
    """The sum of both models' weights."""
    mix = diffusion.merging.Mix(1.0, 1.0)
    return diffusion.merging.merge_models(ctx.models, model1, model2, lambda _name: mix)


@node("ModelMergeSubtract", category=CATEGORY)
def merge_subtract(ctx: Context, *, model1: Model, model2: Model, multiplier: Multiplier = 1.0) -> Model:
    """``multiplier`` times the difference of the two models' weights."""
    mix = diffusion.merging.Mix(multiplier, -multiplier)
    return diffusion.merging.merge_models(ctx.models, model1, model2, lambda _name: mix)


@node("ModelMergeBlocks", category=CATEGORY)
def merge_blocks(
    ctx: Context, *, model1: Model, model2: Model, input: Ratio = 1.0, middle: Ratio = 1.0, out: Ratio = 1.0
) -> Model:
    """A ratio of model1 each for the UNet's input blocks, its middle and its output blocks."""
    mix_of = diffusion.merging.mix_by_prefix({"input": input, "middle": middle, "out": out})
    return diffusion.merging.merge_models(ctx.models, model1, model2, mix_of)


@node("CLIPMergeSimple", category=CATEGORY)
def merge_clip_simple(ctx: Context, *, clip1: Clip, clip2: Clip, ratio: Ratio = 1.0) -> Clip:
    """``ratio`` of clip1 and the rest of clip2."""
    return diffusion.merging.merge_clips(ctx.models, clip1, clip2, diffusion.merging.Mix(ratio, 1 - ratio))


@node("CLIPMergeAdd", category=CATEGORY)
def merge_clip_add(ctx: Context, *, clip1: Clip, clip2: Clip) -> Clip:
    """The sum of both sets of text encoders' weights."""
    return diffusion.merging.merge_clips(ctx.models, clip1, clip2, diffusion.merging.Mix(1.0, 1.0))


@node("CLIPMergeSubtract", category=CATEGORY)
def merge_clip_subtract(ctx: Context, *, clip1: Clip, clip2: Clip, multiplier: Multiplier = 1.0) -> Clip:
    """``multiplier`` times the difference of the two sets of text encoders' weights."""
    return diffusion.merging.merge_clips(ctx.models, clip1, clip2, diffusion.merging.Mix(multiplier, -multiplier))
