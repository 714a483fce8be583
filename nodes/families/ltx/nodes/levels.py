"""Noise levels of LTX-Video, which grow with the film."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import lazy_loader as lazy

from engine.context import Context
from engine.inputs import Bool, Float, Int
from engine.registry import node
from nodes import diffusion
from nodes.sampling_values import Sigmas
from nodes.values import Latent, Model

if TYPE_CHECKING:
    import torch
else:
    torch = lazy.load("torch")

Shift = Annotated[float, Float(min=0.0, max=100.0, step=0.01)]
FEWEST, MOST = 1024, 4096
"""Cells at which the base shift and the largest one hold; beyond, the line through both goes on."""


@node("ModelSamplingLTXV", category="model/patch/ltxv")
def sample_ltx(
    ctx: Context, *, model: Model, max_shift: Shift = 2.05, base_shift: Shift = 0.95, latent: Latent | None = None
) -> Model:
    """A rectified flow whose shift grows with the film: ``base_shift`` at 1024 cells, ``max_shift`` at 4096."""
    shift = _shift(base_shift, max_shift, latent)
    return replace(model, parameterization=diffusion.parameterization.flux_flow(shift))


@node("LTXVScheduler", category="model/sampling/schedulers")
def schedule(
    ctx: Context,
    *,
    steps: Annotated[int, Int(min=1, max=10000)] = 20,
    max_shift: Shift = 2.05,
    base_shift: Shift = 0.95,
    stretch: Annotated[bool, Bool(tooltip="Stretch the levels, so that the last one before 0 is ``terminal``.")] = True,
    terminal: Annotated[float, Float(min=0.0, max=0.99, step=0.01, tooltip="The last level before 0.")] = 0.1,
    latent: Latent | None = None,
) -> Sigmas:
    """Even levels from 1 to 0, shifted towards noise by the film's size."""
    levels = torch.linspace(1.0, 0.0, steps + 1)[:-1]
    shift = math.exp(_shift(base_shift, max_shift, latent))
    levels = shift / (shift + (1 / levels - 1))
    if stretch and steps > 1:  # a single level is all noise, which nothing is left to stretch of
        clean = 1.0 - levels
        levels = 1.0 - clean / (clean[-1] / (1.0 - terminal))
    return Sigmas(torch.cat([levels, torch.zeros(1)]))


def _shift(base: float, most: float, latent: Latent | None) -> float:
    cells = MOST if latent is None else math.prod(latent.samples.shape[2:])
    slope = (most - base) / (MOST - FEWEST)
    return cells * slope + base - slope * FEWEST
