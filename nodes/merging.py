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


# --- a ratio for each part of a family's network -------------------------------------------------------------------


def _parts(*names: str, **counts: int) -> dict[str, tuple[object, float]]:
    """A ratio for each of ``names``, of which ``name{}`` stands for as many numbered parts as ``counts`` says."""
    found = []
    for name in names:
        stem = name.partition(".{}")[0]
        found += [name.format(number) for number in range(counts[stem])] if "{}" in name else [name]
    return dict.fromkeys(found, (Ratio, 1.0))


_UNET = ("time_embed.", "label_emb.")
_MMDIT = (
    "pos_embed.",
    "x_embedder.",
    "context_embedder.",
    "y_embedder.",
    "t_embedder.",
    "joint_blocks.{}.",
    "final_layer.",
)
_SD = _parts(*_UNET, "input_blocks.{}.", "middle_block.{}.", "output_blocks.{}.", "out.",
             input_blocks=12, middle_block=3, output_blocks=12)  # fmt: skip
_SDXL = _parts(*_UNET, "input_blocks.{}", "middle_block.{}", "output_blocks.{}", "out.",
               input_blocks=9, middle_block=3, output_blocks=9)  # fmt: skip
_FLUX = _parts("img_in.", "time_in.", "guidance_in", "vector_in.", "txt_in.", "double_blocks.{}.", "single_blocks.{}.",
               "final_layer.", double_blocks=19, single_blocks=38)  # fmt: skip
SPECIFIC = "model/merging/model specific"


@node("ModelMergeSD1", category=SPECIFIC, more_inputs=_SD)
@node("ModelMergeSD2", category=SPECIFIC, more_inputs=_SD)
@node("ModelMergeSDXL", category=SPECIFIC, more_inputs=_SDXL)
@node("ModelMergeSD3_2B", category=SPECIFIC, more_inputs=_parts(*_MMDIT, joint_blocks=24))
@node("ModelMergeSD35_Large", category=SPECIFIC, more_inputs=_parts(*_MMDIT, joint_blocks=38))
@node("ModelMergeFlux1", category=SPECIFIC, more_inputs=_FLUX)
def merge_parts(ctx: Context, *, model1: Model, model2: Model, **ratios: float) -> Model:
    """A ratio of model1 for each part of the network, by the longest of the names that a weight's begins with."""
    mix_of = diffusion.merging.mix_by_prefix(ratios)
    return diffusion.merging.merge_models(ctx.models, model1, model2, mix_of)
