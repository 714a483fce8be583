"""Nodes that mix encoded prompts and say where, when and how strongly they count."""

from __future__ import annotations

from typing import Annotated

from engine.context import Context
from engine.inputs import MAX_SIDE_PX, Choice, Float, Int
from engine.registry import node
from engine.types import Mask
from nodes import diffusion
from nodes.choices import Progress, Strength
from nodes.latent_space import PIXELS_PER_LATENT
from nodes.values import Area, Conditioning

AreaSide = Annotated[int, Int(min=64, max=MAX_SIDE_PX, step=8)]
AreaCorner = Annotated[int, Int(min=0, max=MAX_SIDE_PX, step=8)]
Fraction = Annotated[float, Float(min=0, max=1.0, step=0.01)]
MaskArea = Annotated[str, Choice("default", "mask bounds")]


@node("ConditioningCombine", category="conditioning", display_name="Conditioning (Combine)")
def conditioning_combine(ctx: Context, *, conditioning_1: Conditioning, conditioning_2: Conditioning) -> Conditioning:
    """All prompts of both, each evaluated by itself; the predictions are averaged."""
    return Conditioning(conditioning_1.entries + conditioning_2.entries)


@node("ConditioningConcat", category="conditioning", display_name="Conditioning (Concat)")
def conditioning_concat(
    ctx: Context, *, conditioning_to: Conditioning, conditioning_from: Conditioning
) -> Conditioning:
    """The tokens of both prompts in a row, evaluated together."""
    return diffusion.conditioning.concat(conditioning_to, conditioning_from)


@node("ConditioningAverage", category="conditioning")
def conditioning_average(
    ctx: Context,
    *,
    conditioning_to: Conditioning,
    conditioning_from: Conditioning,
    conditioning_to_strength: Annotated[float, Float(min=0.0, max=1.0, step=0.01)] = 1.0,
) -> Conditioning:
    """The weighted mean of two encoded prompts."""
    return diffusion.conditioning.average(conditioning_to, conditioning_from, conditioning_to_strength)


@node(
    "ConditioningMultiply",
    category="model/conditioning/transform",
    display_name="Conditioning Multiply",
    search_aliases=("scale conditioning", "scale prompt", "multiply conditioning", "multiply prompt"),
)
def conditioning_multiply(
    ctx: Context,
    *,
    conditioning: Conditioning,
    multiplier: Annotated[float, Float(min=-100.0, max=100.0, step=0.01)] = 1.0,
) -> Conditioning:
    """The conditioning with the encoded prompt and its pooled vector multiplied."""
    return diffusion.conditioning.multiplied(conditioning, multiplier)


@node("ConditioningZeroOut", category="advanced/conditioning")
def conditioning_zero_out(ctx: Context, *, conditioning: Conditioning) -> Conditioning:
    """The conditioning with zeros for the encoded prompt."""
    return diffusion.conditioning.zero_out(conditioning)


# --- where -------------------------------------------------------------------------------------------------------


@node("ConditioningSetArea", category="conditioning", display_name="Conditioning (Set Area)")
def conditioning_set_area(
    ctx: Context,
    *,
    conditioning: Conditioning,
    width: AreaSide = 64,
    height: AreaSide = 64,
    x: AreaCorner = 0,
    y: AreaCorner = 0,
    strength: Strength = 1.0,
) -> Conditioning:
    """The prompt for a rectangle only, in pixels of the picture."""
    latent_height, latent_width, latent_y, latent_x = (side // PIXELS_PER_LATENT for side in (height, width, y, x))
    area = Area(latent_height, latent_width, latent_y, latent_x)
    return conditioning.set(area=area, strength=strength, set_area_to_bounds=False)


@node(
    "ConditioningSetAreaPercentage",
    category="conditioning",
    display_name="Conditioning (Set Area with Percentage)",
)
def conditioning_set_area_percentage(
    ctx: Context,
    *,
    conditioning: Conditioning,
    width: Fraction = 1.0,
    height: Fraction = 1.0,
    x: Fraction = 0,
    y: Fraction = 0,
    strength: Strength = 1.0,
) -> Conditioning:
    """The prompt for a rectangle only, in fractions (0 to 1) of the picture's sides."""
    return conditioning.set(
        area=Area(height, width, y, x, unit="fraction"), strength=strength, set_area_to_bounds=False
    )


@node("ConditioningSetAreaStrength", category="conditioning")
def conditioning_set_area_strength(
    ctx: Context, *, conditioning: Conditioning, strength: Strength = 1.0
) -> Conditioning:
    """The prompt with another weight where prompts overlap."""
    return conditioning.set(strength=strength)


@node("ConditioningSetMask", category="conditioning", display_name="Conditioning (Set Mask)")
def conditioning_set_mask(
    ctx: Context, *, conditioning: Conditioning, mask: Mask, strength: Strength = 1.0, set_cond_area: MaskArea
) -> Conditioning:
    """The prompt by a mask's weight; with ``mask bounds``, evaluated only on the mask's bounding box."""
    return masked(conditioning, mask, strength, set_cond_area)


# --- when --------------------------------------------------------------------------------------------------------


@node("ConditioningSetTimestepRange", category="advanced/conditioning")
def conditioning_set_timestep_range(
    ctx: Context, *, conditioning: Conditioning, start: Progress = 0.0, end: Progress = 1.0
) -> Conditioning:
    """The prompt for part of the sampling only: from ``start`` to ``end`` of it, 0 to 1."""
    return conditioning.set(start_percent=start, end_percent=end)


def masked(conditioning: Conditioning, mask: Mask, strength: float, set_cond_area: str) -> Conditioning:
    """The prompt weighted by ``mask``; see ConditioningSetMask."""
    values = mask.values if mask.values.ndim == 3 else mask.values[None]
    return conditioning.set(mask=values, mask_strength=strength, set_area_to_bounds=set_cond_area != "default")
