"""Samplers that renoise the clean prediction at every step: DDPM, and consistency models, also with upscaling."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from nodes.diffusion import latents, noise
from nodes.diffusion.samplers.steps import intervals, predict, slope
from nodes.sampling_values import Denoiser, StepCallback


def sample_ddpm(denoise: Denoiser, x: Tensor, sigmas: Tensor, *, callback: StepCallback | None = None) -> Tensor:
    """The posterior mean and variance of DDPM: Ho et al. 2020 (arXiv:2006.11239), algorithm 2."""
    step_noise = noise.independent(x, denoise.seed, denoise.step_noise)
    for step, sigma, sigma_next in intervals(sigmas):
        denoised = predict(denoise, x, sigma, step, callback)
        alpha_bar, alpha_bar_next = 1 / (sigma**2 + 1), 1 / (sigma_next**2 + 1)
        alpha = alpha_bar / alpha_bar_next
        eps = slope(x, sigma, denoised)
        x = (x * alpha_bar.sqrt() - (1 - alpha) * eps / (1 - alpha_bar).sqrt()) / alpha.sqrt()
        if sigma_next > 0:
            deviation = ((1 - alpha) * (1 - alpha_bar_next) / (1 - alpha_bar)).sqrt()
            x = (x + deviation * step_noise(sigma, sigma_next)) * (1 + sigma_next**2).sqrt()
    return x


def sample_lcm(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    callback: StepCallback | None = None,
    s_noise: float = 1.0,
    s_noise_end: float = 1.0,
    noise_clip_std: float = 0.0,
) -> Tensor:
    """Multistep consistency sampling: Song et al. 2023 (arXiv:2303.01469), algorithm 1; Luo et al. (2310.04378).

    The noise is scaled by ``s_noise`` at the first step, which goes over to ``s_noise_end`` at the last, and cut off at
    ``noise_clip_std`` of its standard deviations; 0 cuts nothing off.
    """
    step_noise = noise.independent(x, denoise.seed, denoise.step_noise)
    scales = torch.linspace(s_noise, s_noise_end, max(len(sigmas) - 1, 1))
    for step, sigma, sigma_next in intervals(sigmas):
        x = predict(denoise, x, sigma, step, callback)
        if sigma_next > 0:
            added = step_noise(sigma, sigma_next)
            if noise_clip_std > 0:
                most = noise_clip_std * added.std()
                added = added.clamp(min=-most, max=most)
            x = denoise.parameterization.add_noise(sigma_next, added * scales[step], x)
    return x


def sample_lcm_upscale(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    callback: StepCallback | None = None,
    total_upscale: float = 2.0,
    upscale_method: str = "bislerp",
    upscale_steps: int | None = None,
) -> Tensor:
    """Consistency sampling that grows the latent to ``total_upscale`` times its sides over ``upscale_steps`` steps."""
    count = max(len(sigmas) // 2 + 1, 2) if upscale_steps is None else min(upscale_steps + 1, len(sigmas) + 1)
    factors = np.linspace(1.0, total_upscale, count)[1:]
    height, width = x.shape[-2:]
    more_noise = noise.after_initial(x, denoise.seed)
    for step, sigma, sigma_next in intervals(sigmas):
        x = predict(denoise, x, sigma, step, callback)
        if step < len(factors):
            x = latents.resize(x, round(width * factors[step]), round(height * factors[step]), upscale_method)
        if sigma_next > 0:
            x = x + sigma_next * more_noise(x.shape)
    return x
