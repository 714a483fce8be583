"""Gradient estimation: Euler steps whose slope is extrapolated from the last two. Permenter and Yuan 2023."""

from __future__ import annotations

from torch import Tensor

from nodes.diffusion.samplers.steps import intervals, predict, predict_both, slope
from nodes.sampling_values import Denoiser, StepCallback


def sample_gradient_estimation(
    denoise: Denoiser, x: Tensor, sigmas: Tensor, *, callback: StepCallback | None = None, ge_gamma: float = 2.0
) -> Tensor:
    """Steps along gamma d + (1 - gamma) d_before: arXiv:2306.04848."""
    return _sample(denoise, x, sigmas, callback, ge_gamma, cfg_pp=False)


def sample_gradient_estimation_cfg_pp(
    denoise: Denoiser, x: Tensor, sigmas: Tensor, *, callback: StepCallback | None = None, ge_gamma: float = 2.0
) -> Tensor:
    """The same with slopes of the negative prediction: Chung et al. 2024 (arXiv:2406.08070)."""
    return _sample(denoise, x, sigmas, callback, ge_gamma, cfg_pp=True)


def _sample(
    denoise: Denoiser, x: Tensor, sigmas: Tensor, callback: StepCallback | None, ge_gamma: float, *, cfg_pp: bool
) -> Tensor:
    before: Tensor | None = None
    for step, sigma, sigma_next in intervals(sigmas):
        if cfg_pp:
            denoised, clean = predict_both(denoise, x, sigma, step, callback)
        else:
            denoised = clean = predict(denoise, x, sigma, step, callback)
        here = slope(x, sigma, clean)
        x = denoised if sigma_next == 0 else denoised + here * sigma_next
        if before is not None and sigma_next != 0:
            x = x + (ge_gamma - 1) * (here - before) * (sigma_next - sigma)
        before = here
    return x
