"""SEEDS: exponential integrators of the diffusion SDE with two and three stages. Gonzalez et al. (arXiv:2305.14267).

Time is lambda, half the log SNR. The stages of a step share one path of noise.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from nodes.diffusion import noise
from nodes.diffusion.samplers.steps import half_log_snr, intervals, predict, sigma_at, signal, with_finite_snr
from nodes.values import Denoiser, StepCallback


def sample_seeds_2(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    callback: StepCallback | None = None,
    eta: float = 1.0,
    s_noise: float = 1.0,
    r: float = 0.5,
) -> Tensor:
    """SEEDS-2 for data prediction; the middle stage lies at ``r`` of the step."""
    return _sample(denoise, x, sigmas, callback, eta, s_noise, (r,))


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
    return _sample(denoise, x, sigmas, callback, eta, s_noise, (r_1, r_2))


def _sample(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    callback: StepCallback | None,
    eta: float,
    s_noise: float,
    middles: Sequence[float],
) -> Tensor:
    model, step_noise = denoise.parameterization, noise.independent(x, denoise.seed)
    slope_weight = _half if len(middles) == 1 else _phi_2
    for step, sigma, sigma_next in intervals(with_finite_snr(model, sigmas)):
        denoised = latest = predict(denoise, x, sigma, step, callback)
        if sigma_next == 0:
            return denoised
        start, end = half_log_snr(model, sigma), half_log_snr(model, sigma_next)
        h = end - start
        path, level, reached, place_before = torch.zeros(()), sigma, x, 0.0
        for place in (*middles, 1.0):
            if place_before:
                latest = denoise(reached, level)
            lamb = start.lerp(end, place)
            target = sigma_at(model, lamb) if place < 1.0 else sigma_next
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
