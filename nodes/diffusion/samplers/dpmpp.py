"""DPM-Solver++: exponential integrators of the clean prediction, two stages (2S) or two steps (2M).

Lu et al. 2022 (arXiv:2211.01095). Time is lambda = -log sigma.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nodes.diffusion import noise
from nodes.diffusion.parameterization import Parameterization
from nodes.diffusion.samplers.steps import (
    ancestral_step,
    half_log_snr,
    intervals,
    predict,
    predict_both,
    renoised_step,
    sigma_at,
)
from nodes.sampling_values import Denoiser, StepCallback

BELOW_ONE = 0.9999
"""The middle level of a flow's step from sigma 1, whose log SNR has no middle."""


def sample_dpmpp_2m(denoise: Denoiser, x: Tensor, sigmas: Tensor, *, callback: StepCallback | None = None) -> Tensor:
    """Second order from the last two predictions: algorithm 2, in the order of the paper's operations."""
    before: Tensor | None = None
    h_before = torch.zeros(())
    for step, sigma, sigma_next in intervals(sigmas):
        denoised = predict(denoise, x, sigma, step, callback)
        start, end = -sigma.log(), -sigma_next.log()
        h = end - start
        clean = denoised
        if before is not None and sigma_next != 0:
            weight = 1 / (2 * (h_before / h))
            clean = (1 + weight) * denoised - weight * before
        x = (-end).exp() / (-start).exp() * x - (-h).expm1() * clean
        before, h_before = denoised, h
    return x


def sample_dpmpp_2m_cfg_pp(
    denoise: Denoiser, x: Tensor, sigmas: Tensor, *, callback: StepCallback | None = None
) -> Tensor:
    """2M under CFG++ (Chung et al. 2024, arXiv:2406.08070): noise is what the negative prediction leaves of x."""
    sigmas = sigmas.float().cpu()
    before: Tensor | None = None
    for step, sigma, sigma_next in intervals(sigmas):
        denoised, uncond = predict_both(denoise, x, sigma, step, callback)
        ratio = sigma_next / sigma
        moved = denoised + ratio * (x - uncond)
        if before is not None and sigma_next != 0:
            moved = moved + (1 - ratio) * (denoised - before) / (2 * _step_ratio(sigmas, step))
        x, before = moved, uncond
    return x


def sample_dpmpp_2s_ancestral(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    callback: StepCallback | None = None,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Tensor:
    """Two stages (algorithm 1 with r = 1/2) below each next level, then noise up to it."""
    model, step_noise = denoise.parameterization, noise.independent(x, denoise.seed, denoise.step_noise)
    s_noise *= model.noise_scale
    for step, sigma, sigma_next in intervals(sigmas):
        denoised = predict(denoise, x, sigma, step, callback)
        down, keep, up = renoised_step(model, sigma, sigma_next, eta)
        clean = denoised
        if down != 0:
            middle = _middle(model, sigma, down)
            clean = denoise(_toward(x, denoised, sigma, middle), middle)
        x = _toward(x, clean, sigma, down)
        if sigma_next > 0 and eta > 0:
            x = keep * x + step_noise(sigma, sigma_next) * (s_noise * up)
    return x


def sample_dpmpp_2s_ancestral_cfg_pp(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    callback: StepCallback | None = None,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Tensor:
    """2S under CFG++ (Chung et al. 2024, arXiv:2406.08070): noise is what the negative prediction leaves of x.

    The second stage takes the second evaluation's negative prediction.
    """
    s_noise *= denoise.parameterization.noise_scale
    step_noise = noise.independent(x, denoise.seed, denoise.step_noise)
    for step, sigma, sigma_next in intervals(sigmas):
        denoised, uncond = predict_both(denoise, x, sigma, step, callback)
        down, up = ancestral_step(sigma, sigma_next, eta)
        if down == 0:
            x = denoised
        else:
            middle = _halfway(sigma, down)
            clean, uncond = denoise.with_uncond(_toward(x + (denoised - uncond), denoised, sigma, middle), middle)
            x = _toward(x + (denoised - uncond), clean, sigma, down)
        if sigma_next > 0 and eta > 0:
            x = x + step_noise(sigma, sigma_next) * (s_noise * up)
    return x


def _toward(x: Tensor, clean: Tensor, sigma: Tensor, target: Tensor) -> Tensor:
    """The exact solution between two levels for a constant clean latent."""
    ratio = target / sigma
    return ratio * x + (1 - ratio) * clean


def _middle(model: Parameterization, sigma: Tensor, target: Tensor) -> Tensor:
    """The level halfway in half the log SNR."""
    if not model.is_flow:
        return _halfway(sigma, target)
    if sigma >= 1:
        return torch.tensor(BELOW_ONE)
    return sigma_at(model, half_log_snr(model, sigma).lerp(half_log_snr(model, target), 0.5))


def _halfway(sigma: Tensor, target: Tensor) -> Tensor:
    """The geometric mean of two levels, as the middle of a step in time: it rounds otherwise than the mean does."""
    time, end = -sigma.log(), -target.log()
    return (-(time + (end - time) / 2)).exp()


def _step_ratio(sigmas: Tensor, step: int) -> Tensor:
    """How wide the previous step was in log sigma, in widths of this one."""
    return (sigmas[step - 1] / sigmas[step]).log() / (sigmas[step] / sigmas[step + 1]).log()
