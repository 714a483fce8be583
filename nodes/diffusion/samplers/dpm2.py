"""DPM-Solver-2: a midpoint step in log sigma."""

from __future__ import annotations

from torch import Tensor

from nodes.diffusion import noise
from nodes.diffusion.samplers.steps import intervals, midpoint, predict, renoised_step, slope
from nodes.sampling_values import Denoiser, StepCallback


def sample_dpm_2(denoise: Denoiser, x: Tensor, sigmas: Tensor, *, callback: StepCallback | None = None) -> Tensor:
    """Midpoint steps, an Euler step to zero: Lu et al. 2022 (arXiv:2206.00927) on the ODE of arXiv:2206.00364."""
    for step, sigma, sigma_next in intervals(sigmas):
        denoised = predict(denoise, x, sigma, step, callback)
        x = _midpoint_step(denoise, x, denoised, sigma, sigma_next)
    return x


def sample_dpm_2_ancestral(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    callback: StepCallback | None = None,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Tensor:
    """Midpoint steps below each next level, then noise up to it."""
    s_noise *= denoise.parameterization.noise_scale
    step_noise = noise.independent(x, denoise.seed, denoise.step_noise)
    for step, sigma, sigma_next in intervals(sigmas):
        denoised = predict(denoise, x, sigma, step, callback)
        down, keep, up = renoised_step(denoise.parameterization, sigma, sigma_next, eta)
        x = _midpoint_step(denoise, x, denoised, sigma, down)
        if down != 0:
            x = keep * x + step_noise(sigma, sigma_next) * (s_noise * up)
    return x


def _midpoint_step(denoise: Denoiser, x: Tensor, denoised: Tensor, sigma: Tensor, target: Tensor) -> Tensor:
    here = slope(x, sigma, denoised)
    if target == 0:
        return x + here * (target - sigma)
    middle = midpoint(sigma, target)
    halfway = x + here * (middle - sigma)
    return x + slope(halfway, middle, denoise(halfway, middle)) * (target - sigma)
