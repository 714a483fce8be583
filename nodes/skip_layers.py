"""Guidance by leaving out blocks of a diffusion transformer."""

from __future__ import annotations

import re
from typing import Annotated

from engine.context import Context
from engine.inputs import Float, Text
from engine.registry import node
from nodes import diffusion
from nodes.choices import Progress
from nodes.values import Model

CATEGORY = "advanced/guidance"
Layers = Annotated[str, Text()]
Scale = Annotated[float, Float(min=0.0, max=10.0, step=0.1)]


@node("SkipLayerGuidanceSD3", category=CATEGORY, experimental=True)
def skip_layer_guidance_sd3(
    ctx: Context,
    *,
    model: Model,
    layers: Layers = "7, 8, 9",
    scale: Scale = 3.0,
    start_percent: Progress = 0.01,
    end_percent: Progress = 0.15,
) -> Model:
    """The model guided away from what it predicts without the joint blocks ``layers``."""
    return _guided(model, layers, "", scale, start_percent, end_percent, 0.0)


@node("SkipLayerGuidanceDiT", category=CATEGORY, experimental=True)
def skip_layer_guidance_dit(
    ctx: Context,
    *,
    model: Model,
    double_layers: Layers = "7, 8, 9",
    single_layers: Layers = "7, 8, 9",
    scale: Scale = 3.0,
    start_percent: Progress = 0.01,
    end_percent: Progress = 0.15,
    rescaling_scale: Annotated[float, Float(min=0.0, max=10.0, step=0.01)] = 0.0,
) -> Model:
    """The model guided away from what it predicts without some blocks; ``rescaling_scale`` keeps the spread."""
    return _guided(model, double_layers, single_layers, scale, start_percent, end_percent, rescaling_scale)


@node("SkipLayerGuidanceDiTSimple", category=CATEGORY, experimental=True)
def skip_layer_guidance_dit_simple(
    ctx: Context,
    *,
    model: Model,
    double_layers: Layers = "7, 8, 9",
    single_layers: Layers = "7, 8, 9",
    start_percent: Progress = 0.0,
    end_percent: Progress = 1.0,
) -> Model:
    """The model whose negative prediction is made without some blocks."""
    doubles, singles = _numbers(double_layers), _numbers(single_layers)
    if not doubles and not singles:
        return model
    skip = diffusion.patches.skip_layers
    skipped = skip.without_blocks(doubles, singles)
    return model.with_guidance(skip.weaker_negative(skipped, start_percent, end_percent, model.parameterization))


def _guided(
    model: Model, double_layers: str, single_layers: str, scale: float, start: float, end: float, rescale: float
) -> Model:
    doubles, singles = _numbers(double_layers), _numbers(single_layers)
    if not doubles and not singles:
        return model
    skip = diffusion.patches.skip_layers
    skipped = skip.without_blocks(doubles, singles)
    return model.with_guidance(skip.skip_layer_guidance(skipped, scale, start, end, rescale, model.parameterization))


def _numbers(layers: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", layers)]
