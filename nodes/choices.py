"""Inputs that several node files share: samplers, schedulers, numbers with a meaning. Names in ComfyUI's order."""

from __future__ import annotations

from typing import Annotated

from engine.inputs import Choice, Float, Int
from nodes.sampler_names import SAMPLERS

SAMPLER_NAMES = tuple(SAMPLERS)
SCHEDULER_NAMES = (
    "simple",
    "sgm_uniform",
    "karras",
    "exponential",
    "ddim_uniform",
    "beta",
    "normal",
    "linear_quadratic",
    "kl_optimal",
)

SamplerName = Annotated[str, Choice(*SAMPLER_NAMES)]
SchedulerName = Annotated[str, Choice(*SCHEDULER_NAMES)]
Steps = Annotated[int, Int(min=1, max=10000)]
Cfg = Annotated[float, Float(min=0.0, max=100.0, step=0.1, round=0.01)]
Denoise = Annotated[float, Float(min=0.0, max=1.0, step=0.01)]
Strength = Annotated[float, Float(min=0.0, max=10.0, step=0.01)]
Progress = Annotated[float, Float(min=0.0, max=1.0, step=0.001)]
UpTo100 = Annotated[float, Float(min=0.0, max=100.0, step=0.01, round=False)]
