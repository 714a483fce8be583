"""Schedules: which noise levels a sampler visits. Each gives float32[steps + 1] on the CPU, from high to low."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from engine.errors import InputInvalid
from nodes.diffusion.parameterization import Parameterization

Schedule = Callable[[Parameterization, int], Tensor]

TURBO_TIMESTEPS = torch.arange(10, 0, -1) * 100 - 1
# fmt: off
OPTIMAL_STEPS = {
    "FLUX": (0.9968, 0.9886, 0.9819, 0.975, 0.966, 0.9471, 0.9158, 0.8287, 0.5512, 0.2808, 0.001),
    "Wan": (1.0, 0.997, 0.995, 0.993, 0.991, 0.989, 0.987, 0.985, 0.98, 0.975, 0.973, 0.968, 0.96, 0.946, 0.927, 0.902,
            0.864, 0.776, 0.539, 0.208, 0.001),
    "Chroma": (0.992, 0.99, 0.988, 0.985, 0.982, 0.978, 0.973, 0.968, 0.961, 0.953, 0.943, 0.931, 0.917, 0.9, 0.881,
               0.858, 0.832, 0.802, 0.769, 0.731, 0.69, 0.646, 0.599, 0.55, 0.501, 0.451, 0.402, 0.355, 0.311, 0.27,
               0.232, 0.199, 0.169, 0.143, 0.12, 0.101, 0.084, 0.07, 0.058, 0.048, 0.001),
}
ALIGN_YOUR_STEPS = {
    "SD1": (14.6146412293, 6.4745760956, 3.8636745985, 2.6946151520, 1.8841921177, 1.3943805092,
            0.9642583904, 0.6523686016, 0.3977456272, 0.1515232662, 0.0291671582),
    "SDXL": (14.6146412293, 6.3184485287, 3.7681790315, 2.1811480769, 1.3405244945, 0.8620721141,
             0.5550693289, 0.3798540708, 0.2332364134, 0.1114188177, 0.0291671582),
    "SVD": (700.00, 54.5, 15.886, 7.977, 4.248, 1.789, 0.981, 0.403, 0.173, 0.034, 0.002),
}
# fmt: on
"""Published at https://research.nvidia.com/labs/toronto-ai/AlignYourSteps/howto.html."""

_FULL_DENOISE = 0.9999

DISCARDS_PENULTIMATE = frozenset({"dpm_2", "dpm_2_ancestral", "uni_pc", "uni_pc_bh2"})
"""Samplers that are given one step more and then not the last level above zero."""


# --- between two levels ------------------------------------------------------------------------------------------


def karras(steps: int, sigma_min: float, sigma_max: float, rho: float = 7.0) -> Tensor:
    """Even in sigma ** (1 / rho), then zero. Karras et al. 2022 (arXiv:2206.00364), equation 5."""
    _require(rho > 0, "rho", "must be above 0")
    ramp = torch.linspace(0, 1, steps)
    low, high = sigma_min ** (1 / rho), sigma_max ** (1 / rho)
    return _then_zero((high + ramp * (low - high)) ** rho)


def exponential(steps: int, sigma_min: float, sigma_max: float) -> Tensor:
    """Even in log sigma, then zero."""
    return _then_zero(torch.linspace(_log(sigma_max, "sigma_max"), _log(sigma_min, "sigma_min"), steps).exp())


def polyexponential(steps: int, sigma_min: float, sigma_max: float, rho: float = 1.0) -> Tensor:
    """A polynomial of degree ``rho`` in log sigma, then zero."""
    low, high = _log(sigma_min, "sigma_min"), _log(sigma_max, "sigma_max")
    return _then_zero((torch.linspace(1, 0, steps) ** rho * (high - low) + low).exp())


def laplace(steps: int, sigma_min: float, sigma_max: float, mu: float = 0.0, beta: float = 0.5) -> Tensor:
    """Quantiles of a Laplace distribution of log sigma, without a zero: float32[steps].

    Hang et al. 2024 (arXiv:2407.03297).
    """
    from_middle = 0.5 - torch.linspace(0, 1, steps)
    quantile = mu - beta * from_middle.sign() * (1 - 2 * from_middle.abs() + 1e-5).log()
    return quantile.exp().clamp(min=sigma_min, max=sigma_max)


def variance_preserving(steps: int, beta_d: float = 19.9, beta_min: float = 0.1, eps_s: float = 1e-3) -> Tensor:
    """Even in the time of the VP diffusion, from 1 to ``eps_s``, then zero. Song et al. 2021 (arXiv:2011.13456)."""
    time = torch.linspace(1, eps_s, steps)
    return _then_zero(torch.special.expm1(beta_d * time**2 / 2 + beta_min * time).sqrt())


def kl_optimal(steps: int, sigma_min: float, sigma_max: float) -> Tensor:
    """Even in arctan sigma, then zero. Sabour et al. 2024 (arXiv:2404.14507)."""
    ramp = torch.arange(steps, dtype=torch.float32) / max(steps - 1, 1)
    return _then_zero((ramp * math.atan(sigma_min) + (1 - ramp) * math.atan(sigma_max)).tan())


# --- along a model's timesteps -----------------------------------------------------------------------------------


def simple(model: Parameterization, steps: int) -> Tensor:
    """Every so many entries of the model's table, from the top, then zero."""
    stride = len(model.sigmas) / steps
    return _then_zero(torch.stack([model.sigmas[-(1 + int(step * stride))] for step in range(steps)]))


def ddim_uniform(model: Parameterization, steps: int) -> Tensor:
    """Every so many entries of the model's table, from entry 1 upwards. Song et al. 2020 (arXiv:2010.02502).

    Since the stride is a whole number, there may be more levels than ``steps`` + 1.
    """
    starts_at_zero = _is_zero(model.sigmas[1])
    stride = max(len(model.sigmas) // (steps + 1 if starts_at_zero else steps), 1)
    upwards = model.sigmas[1::stride]
    return upwards.flip(0) if starts_at_zero else _then_zero(upwards.flip(0))


def normal(model: Parameterization, steps: int) -> Tensor:
    """Even in timesteps, both ends included, then zero."""
    first, last = _timestep_ends(model)
    if _is_zero(model.sigma(last)):
        return model.sigma(torch.linspace(first.item(), last.item(), steps + 1))
    return _then_zero(model.sigma(torch.linspace(first.item(), last.item(), steps)))


def sgm_uniform(model: Parameterization, steps: int) -> Tensor:
    """Even in timesteps, the low end left out, then zero."""
    first, last = _timestep_ends(model)
    return _then_zero(model.sigma(torch.linspace(first.item(), last.item(), steps + 1)[:-1]))


def beta(model: Parameterization, steps: int, alpha: float = 0.6, beta: float = 0.6) -> Tensor:
    """Timesteps at the quantiles of a beta distribution, doubles dropped, then zero. Lee et al. 2024 (2407.12173)."""
    _require(alpha > 0 and beta > 0, "alpha" if alpha <= 0 else "beta", "must be above 0")
    import scipy.stats  # slow to import, and few pictures have this schedule

    quantiles = scipy.stats.beta.ppf(1 - np.linspace(0, 1, steps, endpoint=False), alpha, beta)
    picked = np.rint(quantiles * (len(model.sigmas) - 1)).astype(int)
    distinct = [place for i, place in enumerate(picked) if i == 0 or place != picked[i - 1]]
    return _then_zero(model.sigmas[distinct])


def linear_quadratic(model: Parameterization, steps: int, threshold: float = 0.025) -> Tensor:
    """Half of the steps linear down by ``threshold`` of the noise, the others quadratic down to zero.

    Polyak et al. 2024, Movie Gen (arXiv:2410.13720).
    """
    if steps == 1:
        return torch.tensor([model.sigma_max, 0.0])
    linear = steps // 2
    rest = steps - linear
    excess = linear - threshold * steps
    quadratic = excess / (linear * rest**2)
    slope = threshold / linear - 2 * excess / rest**2
    falls = [i * threshold / linear for i in range(linear)]
    falls += [quadratic * i**2 + slope * i + quadratic * linear**2 for i in range(linear, steps)]
    return torch.tensor([1.0 - fall for fall in [*falls, 1.0]]) * model.sigma_max


def turbo(model: Parameterization, steps: int, denoise: float = 1.0) -> Tensor:
    """The timesteps 999, 899, ... that adversarially distilled models know, then zero. Sauer et al. (2311.17042)."""
    start = 10 - int(10 * denoise)
    return _then_zero(model.sigma(TURBO_TIMESTEPS[start : start + steps]))


# --- tabulated ---------------------------------------------------------------------------------------------------


def align_your_steps(model_type: str, steps: int, denoise: float = 1.0) -> Tensor:
    """Levels optimized for ten steps of a model, interpolated in log sigma to ``steps``; the last ``denoise`` of them.

    Sabour et al. 2024 (arXiv:2404.14507); the last level becomes zero. ``model_type``: a key of ``ALIGN_YOUR_STEPS``.
    """
    return _tabulated(ALIGN_YOUR_STEPS[model_type], steps, denoise)


def optimal_steps(model_type: str, steps: int, denoise: float = 1.0) -> Tensor:
    """Levels whose steps err least together, interpolated in log sigma to ``steps``; the last ``denoise`` of them.

    Pei et al. 2025 (arXiv:2503.21774); the last level becomes zero. ``model_type``: a key of ``OPTIMAL_STEPS``.
    """
    return _tabulated(OPTIMAL_STEPS[model_type], steps, denoise)


def logit_normal(steps: int, pixels: int, mu: float, std: float) -> Tensor:
    """Even quantiles of logit-normal levels, whose mean rises by half the log of how many times 512 x 512 there are.

    Ideogram 4's; clipped to a log signal-to-noise ratio of -15..18, then zero.
    """
    mean = mu + 0.5 * math.log(pixels / (512 * 512))
    quantiles = torch.linspace(0.0, 1.0, steps + 1, dtype=torch.float64)
    levels = torch.special.expit(mean + std * torch.special.ndtri(quantiles))
    low, high = (1.0 / (1.0 + math.exp(0.5 * ratio)) for ratio in (15.0, -18.0))
    return _then_zero(levels.clamp(low, high).flip(0)[:-1].float())


def _tabulated(table: Sequence[float], steps: int, denoise: float) -> Tensor:
    if denoise <= 0.0:
        return torch.empty(0)
    levels = np.array(table)
    if steps + 1 != len(levels):
        places = np.linspace(0, 1, steps + 1), np.linspace(0, 1, len(levels))
        levels = np.exp(np.interp(*places, np.log(levels)))
    kept = torch.tensor(levels[-((round(steps * denoise) if denoise < 1.0 else steps) + 1) :], dtype=torch.float32)
    return _then_zero(kept[:-1])


def extended(levels: Tensor, parts: int, start: float, end: float, spacing: str) -> Tensor:
    """Each step that starts at a level from ``start`` down to ``end`` in ``parts`` parts.

    ``spacing``: ``linear``, ``cosine`` (long parts first) or ``sine`` (short parts first).
    """
    place = torch.linspace(0, 1, parts + 1)[1:-1]
    if spacing == "cosine":
        place = (place * math.pi / 2).sin()
    elif spacing == "sine":
        place = 1 - (place * math.pi / 2).cos()
    pieces = [levels[:1]]
    for level, level_next in pairwise(levels):
        if end <= level <= start:
            pieces.append(place * (level_next - level) + level)
        pieces.append(level_next[None])
    return torch.cat(pieces)


def _between_ends(schedule: Callable[[int, float, float], Tensor]) -> Schedule:
    return lambda model, steps: schedule(steps, model.sigma_min, model.sigma_max)


SCHEDULERS: Mapping[str, Schedule] = {
    "simple": simple,
    "sgm_uniform": sgm_uniform,
    "karras": _between_ends(karras),
    "exponential": _between_ends(exponential),
    "ddim_uniform": ddim_uniform,
    "beta": beta,
    "normal": normal,
    "linear_quadratic": linear_quadratic,
    "kl_optimal": _between_ends(kl_optimal),
}


# --- what nodes ask for ------------------------------------------------------------------------------------------


def sigmas(model: Parameterization, scheduler: str, steps: int, denoise: float = 1.0) -> Tensor:
    """The last ``steps`` + 1 levels of a schedule of ``steps`` / ``denoise`` steps; none for ``denoise`` 0.

    Raises ``InputInvalid`` for a scheduler that is not in ``SCHEDULERS``.
    """
    _require(steps >= 1, "steps", "must be at least 1")
    if denoise <= 0.0:
        return torch.empty(0)
    return _whole(model, scheduler, int(steps / denoise) if denoise < 1.0 else steps)[-(steps + 1) :]


def sampler_sigmas(model: Parameterization, sampler: str, scheduler: str, steps: int, denoise: float = 1.0) -> Tensor:
    """The levels that KSampler gives ``sampler``: all of a schedule of ``steps`` steps, where it has more levels too.

    Of a partial ``denoise``, as :func:`sigmas`. Some samplers are given none but the last of the two smallest levels.
    """
    _require(steps >= 1, "steps", "must be at least 1")
    if denoise <= 0.0:
        return torch.empty(0)
    partial = denoise <= _FULL_DENOISE
    total = int(steps / denoise) if partial else steps
    if sampler in DISCARDS_PENULTIMATE:
        levels = _whole(model, scheduler, total + 1)
        levels = torch.cat([levels[:-2], levels[-1:]])
    else:
        levels = _whole(model, scheduler, total)
    return levels[-(steps + 1) :] if partial else levels


def _whole(model: Parameterization, scheduler: str, steps: int) -> Tensor:
    if scheduler not in SCHEDULERS:
        raise InputInvalid(
            f"unknown scheduler '{scheduler}'", input="scheduler", remedy="one of " + ", ".join(SCHEDULERS)
        )
    return SCHEDULERS[scheduler](model, steps)


def window(levels: Tensor, start_step: int = 0, end_step: int | None = None, *, end_clean: bool = False) -> Tensor:
    """The levels of the steps ``start_step`` up to ``end_step``; none if there is no step between them.

    ``end_clean``: a run that stops early removes all noise in its last step.
    """
    if end_step is not None and end_step < len(levels) - 1:
        levels = levels[: end_step + 1].clone()
        if end_clean:
            levels[-1] = 0.0
    return levels[start_step:] if start_step < len(levels) - 1 else levels[:0]


def _then_zero(levels: Tensor) -> Tensor:
    return torch.cat([levels.float(), torch.zeros(1)])


def _timestep_ends(model: Parameterization) -> tuple[Tensor, Tensor]:
    return model.timestep(model.sigmas[-1]), model.timestep(model.sigmas[0])


def _is_zero(sigma: Tensor) -> bool:
    return math.isclose(float(sigma), 0.0, abs_tol=1e-5)


def _log(sigma: float, name: str) -> float:
    _require(sigma > 0, name, "must be above 0, since the schedule is even in its logarithm")
    return math.log(sigma)


def _require(holds: bool, name: str, rule: str) -> None:
    if not holds:
        raise InputInvalid(f"'{name}' {rule}", input=name)
