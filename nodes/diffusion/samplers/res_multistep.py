"""Refined exponential solver, multistep: Zhang et al. 2023 (arXiv:2308.02157), second order. Time is -log sigma."""

from __future__ import annotations

from torch import Tensor

from nodes.diffusion import noise
from nodes.diffusion.samplers.steps import ancestral_step, intervals, predict, predict_both, slope
from nodes.sampling_values import Denoiser, StepCallback


def sample_res_multistep(
    denoise: Denoiser, x: Tensor, sigmas: Tensor, *, callback: StepCallback | None = None
) -> Tensor:
    """The deterministic method."""
    return _sample(denoise, x, sigmas, callback, eta=0.0, s_noise=1.0, cfg_pp=False)


def sample_res_multistep_ancestral(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    callback: StepCallback | None = None,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Tensor:
    """Steps below each next level, then noise up to it."""
    return _sample(denoise, x, sigmas, callback, eta=eta, s_noise=s_noise, cfg_pp=False)


def sample_res_multistep_cfg_pp(
    denoise: Denoiser, x: Tensor, sigmas: Tensor, *, callback: StepCallback | None = None
) -> Tensor:
    """Integrates the negative prediction and adds the guidance whole: Chung et al. 2024 (arXiv:2406.08070)."""
    return _sample(denoise, x, sigmas, callback, eta=0.0, s_noise=1.0, cfg_pp=True)


def sample_res_multistep_ancestral_cfg_pp(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    callback: StepCallback | None = None,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Tensor:
    """The ancestral method under CFG++."""
    return _sample(denoise, x, sigmas, callback, eta=eta, s_noise=s_noise, cfg_pp=True)


def _sample(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    callback: StepCallback | None,
    *,
    eta: float,
    s_noise: float,
    cfg_pp: bool,
) -> Tensor:
    sigmas = sigmas.float().cpu()
    s_noise *= denoise.parameterization.noise_scale
    step_noise = noise.independent(x, denoise.seed, denoise.step_noise)
    before: tuple[Tensor, Tensor] | None = None
    for step, sigma, sigma_next in intervals(sigmas):
        if cfg_pp:
            denoised, clean = predict_both(denoise, x, sigma, step, callback)
        else:
            denoised = clean = predict(denoise, x, sigma, step, callback)
        down, up = ancestral_step(sigma, sigma_next, eta)
        if before is None or down == 0:
            x = denoised + slope(x, sigma, clean) * down
        else:
            h = (sigma / down).log()
            weight, weight_before = _weights(h, (before[1] / sigmas[step - 1]).log() / h)
            shifted = x + (denoised - clean) if cfg_pp else x
            x = (-h).exp() * shifted + h * (weight * clean + weight_before * before[0])
        if sigma_next > 0 and up > 0:
            x = x + step_noise(sigma, sigma_next) * (s_noise * up)
        before = clean, down
    return x


def _weights(h: Tensor, c2: Tensor) -> tuple[Tensor, Tensor]:
    """Weights of this step's and the last step's prediction, for a step ``h`` and a last one of ``c2`` h (c2 < 0)."""
    phi_1 = (-h).expm1() / -h
    phi_2 = (phi_1 - 1) / -h
    return (phi_1 - phi_2 / c2).nan_to_num(nan=0.0), (phi_2 / c2).nan_to_num(nan=0.0)
