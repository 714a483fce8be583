"""SEEDS: exponential integrators of the diffusion SDE with two and three stages. Gonzalez et al. (arXiv:2305.14267).

Time is lambda, half the log SNR. The stages of a step share one path of noise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from engine.errors import InputInvalid
from nodes.diffusion import noise
from nodes.diffusion.samplers.steps import half_log_snr, intervals, predict, sigma_at, signal, with_finite_snr
from nodes.sampling_values import Denoiser, StepCallback


def sample_seeds_2(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    callback: StepCallback | None = None,
    eta: float = 1.0,
    s_noise: float = 1.0,
    r: float = 0.5,
    solver_type: str = "phi_1",
) -> Tensor:
    """SEEDS-2 for data prediction; the middle stage lies at ``r`` of the step (above 0, at most 1).

    ``solver_type``: by which function the stages' difference counts, ``phi_1`` or ``phi_2``.
    """
    if solver_type not in _SLOPE_WEIGHTS:
        raise InputInvalid(f"unknown solver type '{solver_type}'", input="solver_type", remedy="phi_1 or phi_2")
    if not 0 < r <= 1:
        raise InputInvalid("'r' must be above 0 and at most 1", input="r")
    return _sample(denoise, x, sigmas, callback, eta, s_noise, (r,), _SLOPE_WEIGHTS[solver_type])


def sample_exp_heun_2_x0(
    denoise: Denoiser, x: Tensor, sigmas: Tensor, *, callback: StepCallback | None = None, solver_type: str = "phi_2"
) -> Tensor:
    """Exponential Heun: SEEDS-2 without noise, whose second stage lies at the step's end."""
    return sample_exp_heun_2_x0_sde(
        denoise, x, sigmas, callback=callback, eta=0.0, s_noise=0.0, solver_type=solver_type
    )


def sample_exp_heun_2_x0_sde(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    callback: StepCallback | None = None,
    eta: float = 1.0,
    s_noise: float = 1.0,
    solver_type: str = "phi_2",
) -> Tensor:
    """Exponential Heun with noise."""
    return sample_seeds_2(
        denoise, x, sigmas, callback=callback, eta=eta, s_noise=s_noise, r=1.0, solver_type=solver_type
    )


def sample_seeds_3(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    callback: StepCallback | None = None,
    eta: float = 1.0,
    s_noise: float = 1.0,
    r_1: float = 1 / 3,
    r_2: float = 2 / 3,
) -> Tensor:
    """SEEDS-3 for data prediction; the middle stages lie at ``r_1`` and ``r_2`` of the step."""
    return _sample(denoise, x, sigmas, callback, eta, s_noise, (r_1, r_2), _phi_2)


def _sample(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    callback: StepCallback | None,
    eta: float,
    s_noise: float,
    middles: Sequence[float],
    slope_weight: Callable[[Tensor], Tensor],
) -> Tensor:
    model, step_noise = denoise.parameterization, noise.independent(x, denoise.seed, denoise.step_noise)
    s_noise *= model.noise_scale
    for step, sigma, sigma_next in intervals(with_finite_snr(model, sigmas)):
        denoised = latest = predict(denoise, x, sigma, step, callback)
        if sigma_next == 0:
            return denoised
        start, end = half_log_snr(model, sigma), half_log_snr(model, sigma_next)
        h = end - start
        path, level, reached, place_before = torch.zeros(()), sigma, x, 0.0
        levels = [sigma_at(model, start.lerp(end, place)) for place in middles]
        for place, target in zip((*middles, 1.0), (*levels, sigma_next), strict=True):
            if place_before:
                latest = denoise(reached, level)
            lamb = start.lerp(end, place)
            z = -place * h * (1 + eta)
            clean = z.expm1() * denoised
            if place_before:
                clean = clean + place / place_before * slope_weight(z) * (latest - denoised)
            reached = target / sigma * (-place * h * eta).exp() * x - signal(target, lamb) * clean
            if eta > 0 and s_noise > 0:
                decay = (place_before - place) * h * eta
                path = path * decay.exp() + step_noise(level, target) * (-(2 * decay).expm1()).sqrt()
                reached = reached + path * (target * s_noise)
            place_before, level = place, target
        x = reached
    return x


def _half(z: Tensor) -> Tensor:
    return z.expm1() / 2


def _phi_2(z: Tensor) -> Tensor:
    return (z.expm1() - z) / z


_SLOPE_WEIGHTS = {"phi_1": _half, "phi_2": _phi_2}
