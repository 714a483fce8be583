"""Guidance of a film and of its sound by scales of their own."""

from __future__ import annotations

from typing import Annotated

from engine.context import Context
from engine.inputs import Float
from engine.registry import node
from nodes.sampling_values import Guider
from nodes.values import Conditioning, Model

Scale = Annotated[float, Float(min=0.0, max=100.0, step=0.1, round=0.01)]


@node("LTXVDualCFGGuider", category="model/sampling/guiders", display_name="LTXV Dual CFG Guider")
def guide_film_and_sound(
    ctx: Context,
    *,
    model: Model,
    positive: Conditioning,
    negative: Conditioning,
    video_cfg: Scale = 3.0,
    audio_cfg: Scale = 7.0,
) -> Guider:
    """Classifier-free guidance with a scale for the film and one for its sound; a film alone has the first."""
    prompts = {"positive": positive, "negative": negative}
    return Guider(model, "cfg", prompts, video_cfg, part_scales=(video_cfg, audio_cfg))
