"""Euler's method on the probability flow ODE, with ancestral noise and under CFG++."""

from __future__ import annotations

from torch import Tensor

from nodes.diffusion import noise
from nodes.diffusion.samplers.steps import (
    ancestral_step,
    half_log_snr,
    intervals,
    predict,
    predict_both,
    renoised_step,
    signal,
    slope,
)
from nodes.sampling_values import Denoiser, StepCallback


def sample_euler(denoise: Denoiser, x: Tensor, sigmas: Tensor, *, callback: StepCallback | None = None) -> Tensor:
    """Euler steps: Karras et al. 2022 (arXiv:2206.00364), algorithm 1 without its correction.

    The same numbers as DDIM (Song et al. 2020, arXiv:2010.02502) with eta 0.
    """
    for step, sigma, sigma_next in intervals(sigmas):
        denoised = predict(denoise, x, sigma, step, callback)
        x = x + slope(x, sigma, denoised) * (sigma_next - sigma)
    return x


def sample_euler_ancestral(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    callback: StepCallback | None = None,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Tensor:
    """Euler steps below each next level, then noise up to it: Song et al. 2020 (arXiv:2010.02502), equation 16."""
    s_noise *= denoise.parameterization.noise_scale
    step_noise = noise.independent(x, denoise.seed, denoise.step_noise)
    for step, sigma, sigma_next in intervals(sigmas):
        denoised = predict(denoise, x, sigma, step, callback)
        down, keep, up = renoised_step(denoise.parameterization, sigma, sigma_next, eta)
        if down == 0:
            x = denoised
            continue
        x = x + slope(x, sigma, denoised) * (down - sigma)
        if eta > 0:
            x = keep * x + step_noise(sigma, sigma_next) * (s_noise * up)
    return x


def sample_euler_ancestral_cfg_pp(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    callback: StepCallback | None = None,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Tensor:
    """Noise from the negative prediction, clean latent from the guided one: Chung et al. 2024 (arXiv:2406.08070)."""
    model = denoise.parameterization
    s_noise *= model.noise_scale
    step_noise = noise.independent(x, denoise.seed, denoise.step_noise)
    for step, sigma, sigma_next in intervals(sigmas):
        denoised, uncond = predict_both(denoise, x, sigma, step, callback)
        if sigma_next == 0:
            x = denoised
            continue
        alpha = signal(sigma, half_log_snr(model, sigma))
        alpha_next = signal(sigma_next, half_log_snr(model, sigma_next))
        down, up = ancestral_step(sigma / alpha, sigma_next / alpha_next, eta)
        x = alpha_next * (denoised + down * slope(x, sigma, alpha * uncond))
        if eta > 0 and s_noise > 0:
            x = x + step_noise(sigma, sigma_next) * (alpha_next * s_noise * up)
    return x


def sample_euler_cfg_pp(
    denoise: Denoiser, x: Tensor, sigmas: Tensor, *, callback: StepCallback | None = None
) -> Tensor:
    """The deterministic CFG++ step: Chung et al. 2024 (arXiv:2406.08070)."""
    return sample_euler_ancestral_cfg_pp(denoise, x, sigmas, callback=callback, eta=0.0, s_noise=0.0)


def sample_euler_cfg_pp_alternative(
    denoise: Denoiser, x: Tensor, sigmas: Tensor, *, callback: StepCallback | None = None
) -> Tensor:
    """Euler steps whose slope is taken after moving by the difference of the negative and the guided prediction."""
    for step, sigma, sigma_next in intervals(sigmas):
        denoised, uncond = predict_both(denoise, x, sigma, step, callback)
        x = x + slope(x - denoised + uncond, sigma, denoised) * (sigma_next - sigma)
    return x
