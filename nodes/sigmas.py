"""Nodes that make and change noise levels: schedulers, splitting, extending."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, NamedTuple

import lazy_loader as lazy

from engine.context import Context
from engine.inputs import Choice, Float, Int, Text
from engine.registry import node
from nodes import diffusion
from nodes.choices import Denoise, SchedulerName, Steps, UpTo100
from nodes.sampling_values import Sigmas
from nodes.values import Model

if TYPE_CHECKING:
    import torch
else:
    torch = lazy.load("torch")

SCHEDULERS = "sampling/custom_sampling/schedulers"
SIGMAS = "sampling/custom_sampling/sigmas"
LOWEST_SIGMA = 0.0001

# What ComfyUI takes for a number: digits after any number of points, without an exponent.
_NUMBERS = re.compile(r"[-+]?\d*\.?\d+")

IdeogramSide = Annotated[int, Int(min=256, max=8192, step=16)]
UpTo5000 = Annotated[float, Float(min=0.0, max=5000.0, step=0.01, round=False)]


class TwoSigmas(NamedTuple):
    """The levels before and after a cut; both have the level at the cut."""

    high_sigmas: Sigmas
    low_sigmas: Sigmas


@node("BasicScheduler", category=SCHEDULERS)
def basic_scheduler(
    ctx: Context, *, model: Model, scheduler: SchedulerName, steps: Steps = 20, denoise: Denoise = 1.0
) -> Sigmas:
    """The last ``steps`` steps of a model's schedule of ``steps`` / ``denoise`` steps."""
    return Sigmas(diffusion.schedules.sigmas(model.parameterization, scheduler, steps, denoise))


@node("KarrasScheduler", category=SCHEDULERS)
def karras_scheduler(
    ctx: Context,
    *,
    steps: Steps = 20,
    sigma_max: UpTo5000 = 14.614642,
    sigma_min: UpTo5000 = 0.0291675,
    rho: UpTo100 = 7.0,
) -> Sigmas:
    """Levels even in sigma ** (1 / ``rho``), then 0."""
    return Sigmas(diffusion.schedules.karras(steps, sigma_min, sigma_max, rho))


@node("ExponentialScheduler", category=SCHEDULERS)
def exponential_scheduler(
    ctx: Context, *, steps: Steps = 20, sigma_max: UpTo5000 = 14.614642, sigma_min: UpTo5000 = 0.0291675
) -> Sigmas:
    """Levels even in log sigma, then 0."""
    return Sigmas(diffusion.schedules.exponential(steps, sigma_min, sigma_max))


@node("PolyexponentialScheduler", category=SCHEDULERS)
def polyexponential_scheduler(
    ctx: Context,
    *,
    steps: Steps = 20,
    sigma_max: UpTo5000 = 14.614642,
    sigma_min: UpTo5000 = 0.0291675,
    rho: UpTo100 = 1.0,
) -> Sigmas:
    """Levels on a polynomial of degree ``rho`` in log sigma, then 0."""
    return Sigmas(diffusion.schedules.polyexponential(steps, sigma_min, sigma_max, rho))


@node("LaplaceScheduler", category=SCHEDULERS)
def laplace_scheduler(
    ctx: Context,
    *,
    steps: Steps = 20,
    sigma_max: UpTo5000 = 14.614642,
    sigma_min: UpTo5000 = 0.0291675,
    mu: Annotated[float, Float(min=-10.0, max=10.0, step=0.1, round=False)] = 0.0,
    beta: Annotated[float, Float(min=0.0, max=10.0, step=0.1, round=False)] = 0.5,
) -> Sigmas:
    """``steps`` levels at the quantiles of a Laplace distribution of log sigma, without a 0."""
    return Sigmas(diffusion.schedules.laplace(steps, sigma_min, sigma_max, mu, beta))


@node("VPScheduler", category=SCHEDULERS)
def vp_scheduler(
    ctx: Context,
    *,
    steps: Steps = 20,
    beta_d: UpTo5000 = 19.9,
    beta_min: UpTo5000 = 0.1,
    eps_s: Annotated[float, Float(min=0.0, max=1.0, step=0.0001, round=False)] = 0.001,
) -> Sigmas:
    """Levels of the variance preserving diffusion, even in its time from 1 to ``eps_s``, then 0."""
    return Sigmas(diffusion.schedules.variance_preserving(steps, beta_d, beta_min, eps_s))


@node("BetaSamplingScheduler", category=SCHEDULERS)
def beta_sampling_scheduler(
    ctx: Context,
    *,
    model: Model,
    steps: Steps = 20,
    alpha: Annotated[float, Float(min=0.0, max=50.0, step=0.01, round=False)] = 0.6,
    beta: Annotated[float, Float(min=0.0, max=50.0, step=0.01, round=False)] = 0.6,
) -> Sigmas:
    """Levels of a model at the quantiles of a beta distribution of timesteps, then 0."""
    return Sigmas(diffusion.schedules.beta(model.parameterization, steps, alpha, beta))


@node("SDTurboScheduler", category=SCHEDULERS)
def sd_turbo_scheduler(
    ctx: Context,
    *,
    model: Model,
    steps: Annotated[int, Int(min=1, max=10)] = 1,
    denoise: Annotated[float, Float(min=0, max=1.0, step=0.01)] = 1.0,
) -> Sigmas:
    """Levels of the ten timesteps that turbo models know, from ``denoise`` of the way up, then 0."""
    return Sigmas(diffusion.schedules.turbo(model.parameterization, steps, denoise))


@node("AlignYourStepsScheduler", category=SCHEDULERS)
def align_your_steps_scheduler(
    ctx: Context,
    *,
    model_type: Annotated[str, Choice("SD1", "SDXL", "SVD")],
    steps: Annotated[int, Int(min=1, max=10000)] = 10,
    denoise: Denoise = 1.0,
) -> Sigmas:
    """The levels optimized for ten steps of these models, interpolated to ``steps``; the last ``denoise`` of them."""
    return Sigmas(diffusion.schedules.align_your_steps(model_type, steps, denoise))


@node("OptimalStepsScheduler", category=SCHEDULERS)
def optimal_steps_scheduler(
    ctx: Context,
    *,
    model_type: Annotated[str, Choice("FLUX", "Wan", "Chroma")],
    steps: Annotated[int, Int(min=3, max=1000)] = 20,
    denoise: Denoise = 1.0,
) -> Sigmas:
    """The levels that were found best for these models, interpolated to ``steps``; the last ``denoise`` of them."""
    return Sigmas(diffusion.schedules.optimal_steps(model_type, steps, denoise))


@node("Ideogram4Scheduler", category=SCHEDULERS, display_name="Ideogram 4 Scheduler")
def ideogram4_scheduler(
    ctx: Context,
    *,
    steps: Annotated[int, Int(min=1, max=200)] = 20,
    width: IdeogramSide = 1024,
    height: IdeogramSide = 1024,
    mu: Annotated[float, Float(min=-10.0, max=10.0, step=0.05)] = 0.0,
    std: Annotated[float, Float(min=0.1, max=5.0, step=0.05)] = 1.75,
) -> Sigmas:
    """Levels at even quantiles of a normal distribution in logits, later (noisier) the larger the picture is."""
    return Sigmas(diffusion.schedules.logit_normal(steps, width * height, mu, std))


@node("SplitSigmas", category=SIGMAS)
def split_sigmas(ctx: Context, *, sigmas: Sigmas, step: Annotated[int, Int(min=0, max=10000)] = 0) -> TwoSigmas:
    """The steps before ``step`` and those from it on."""
    return TwoSigmas(Sigmas(sigmas.values[: step + 1]), Sigmas(sigmas.values[step:]))


@node("SplitSigmasDenoise", category=SIGMAS)
def split_sigmas_denoise(ctx: Context, *, sigmas: Sigmas, denoise: Denoise = 1.0) -> TwoSigmas:
    """The steps before the last ``denoise`` (0..1) of them, and these; at 0 no steps at all, as in ComfyUI."""
    steps = max(len(sigmas.values) - 1, 0)
    last = round(steps * denoise)
    before = sigmas.values[: steps - last + 1] if last else sigmas.values[:0]
    return TwoSigmas(Sigmas(before), Sigmas(sigmas.values[steps - last :]))


@node("FlipSigmas", category=SIGMAS)
def flip_sigmas(ctx: Context, *, sigmas: Sigmas) -> Sigmas:
    """The levels from low to high, for adding noise step by step; a first 0 becomes 0.0001."""
    flipped = sigmas.values.flip(0)
    if len(flipped) and flipped[0] == 0:
        flipped[0] = LOWEST_SIGMA
    return Sigmas(flipped)


@node("SetFirstSigma", category=SIGMAS)
def set_first_sigma(
    ctx: Context,
    *,
    sigmas: Sigmas,
    sigma: Annotated[float, Float(min=0.0, max=20000.0, step=0.001, round=False)] = 136.0,
) -> Sigmas:
    """The levels with another first one; none stay none."""
    values = sigmas.values.clone()
    values[:1] = sigma
    return Sigmas(values)


@node("ExtendIntermediateSigmas", category=SIGMAS)
def extend_intermediate_sigmas(
    ctx: Context,
    *,
    sigmas: Sigmas,
    steps: Annotated[int, Int(min=1, max=100)] = 2,
    start_at_sigma: Annotated[float, Float(min=-1.0, max=20000.0, step=0.01, round=False)] = -1.0,
    end_at_sigma: Annotated[float, Float(min=0.0, max=20000.0, step=0.01, round=False)] = 12.0,
    spacing: Annotated[str, Choice("linear", "cosine", "sine")],
) -> Sigmas:
    """Each step that starts between the two levels (-1: no upper bound) in ``steps`` parts."""
    start = float("inf") if start_at_sigma < 0 else start_at_sigma
    return Sigmas(diffusion.schedules.extended(sigmas.values, steps, start, end_at_sigma, spacing))


@node("SamplingPercentToSigma", category=SIGMAS, output_names=("sigma_value",))
def sampling_percent_to_sigma(
    ctx: Context,
    *,
    model: Model,
    sampling_percent: Annotated[float, Float(min=0.0, max=1.0, step=0.0001)] = 0.0,
    return_actual_sigma: bool = False,
) -> float:
    """The level at this share (0..1) of progress.

    ``return_actual_sigma``: at 0 and 1 the model's highest and lowest level, not the ones beyond every level.
    """
    levels = model.parameterization
    if return_actual_sigma and sampling_percent in (0.0, 1.0):
        return levels.sigma_max if sampling_percent == 0.0 else levels.sigma_min
    return levels.percent_to_sigma(sampling_percent)


@node(
    "ManualSigmas",
    category="model/sampling/sigmas",
    experimental=True,
    search_aliases=("custom noise schedule", "define sigmas"),
)
def manual_sigmas(ctx: Context, *, sigmas: Annotated[str, Text()] = "1, 0.5") -> Sigmas:
    """The numbers in the text, whatever stands between them, as noise levels."""
    return Sigmas(torch.tensor([float(number) for number in _NUMBERS.findall(sigmas)], dtype=torch.float32))
