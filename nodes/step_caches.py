"""Nodes that leave steps out where the network's output changes little."""

from __future__ import annotations

from typing import Annotated

from engine.context import Context
from engine.inputs import Float
from engine.registry import node
from nodes import diffusion
from nodes.values import Model

CATEGORY = "advanced/debug"
Threshold = Annotated[float, Float(min=0.0, max=3.0, step=0.01)]
Share = Annotated[float, Float(min=0.0, max=1.0, step=0.01)]


@node("EasyCache", category=CATEGORY, experimental=True)
def easy_cache(
    ctx: Context,
    *,
    model: Model,
    reuse_threshold: Threshold = 0.2,
    start_percent: Share = 0.15,
    end_percent: Share = 0.95,
    verbose: bool = False,
) -> Model:
    """The network left out in steps whose estimated changes add up to less than ``reuse_threshold``; it decides alike
    for all prompts. ``verbose`` logs each decision.
    """
    cache = diffusion.patches.step_cache
    window = cache.Window.of(model.parameterization, reuse_threshold, start_percent, end_percent, verbose)
    return model.with_hooks_per_sampling(lambda _: cache.easy_cache(window))


@node("LazyCache", category=CATEGORY, experimental=True)
def lazy_cache(
    ctx: Context,
    *,
    model: Model,
    reuse_threshold: Threshold = 0.2,
    start_percent: Share = 0.15,
    end_percent: Share = 0.95,
    verbose: bool = False,
) -> Model:
    """As EasyCache, but steps are left out as a whole, with their guidance: for any model and patches."""
    cache = diffusion.patches.step_cache
    window = cache.Window.of(model.parameterization, reuse_threshold, start_percent, end_percent, verbose)
    return model.with_hooks_per_sampling(lambda _: cache.lazy_cache(window))
