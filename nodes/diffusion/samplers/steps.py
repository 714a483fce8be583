"""Small steps that samplers share: predictions with their report, slopes, ancestral steps, half the log SNR.

Sigmas are float32 scalars on the CPU throughout, so that the numbers do not depend on the device of the latent.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from nodes.diffusion.parameterization import Parameterization
from nodes.sampling_values import Denoiser, StepCallback

FIRST_FLOW_PERCENT = 1e-4
"""Where a flow's first step starts if it would start at sigma 1, whose signal-to-noise ratio is 0."""


def intervals(sigmas: Tensor) -> Iterator[tuple[int, Tensor, Tensor]]:
    """(step, sigma, next sigma) for each step."""
    sigmas = sigmas.float().cpu()
    for step in range(len(sigmas) - 1):
        yield step, sigmas[step], sigmas[step + 1]


def predict(denoise: Denoiser, x: Tensor, sigma: Tensor, step: int, callback: StepCallback | None) -> Tensor:
    """The clean latent as the step's first evaluation sees it, reported to ``callback``."""
    denoised = denoise(x, sigma)
    if callback is not None:
        callback(step, sigma, x, denoised)
    return denoised


def predict_both(
    denoise: Denoiser, x: Tensor, sigma: Tensor, step: int, callback: StepCallback | None
) -> tuple[Tensor, Tensor]:
    """The same, together with the negative prediction."""
    denoised, uncond = denoise.with_uncond(x, sigma)
    if callback is not None:
        callback(step, sigma, x, denoised)
    return denoised, uncond


def slope(x: Tensor, sigma: Tensor, denoised: Tensor) -> Tensor:
    """The slope dx / dsigma of the probability flow ODE: Karras et al. 2022 (arXiv:2206.00364)."""
    return (x - denoised) / sigma


def midpoint(sigma: Tensor, sigma_next: Tensor) -> Tensor:
    """The geometric mean of two levels."""
    return sigma.log().lerp(sigma_next.log(), 0.5).exp()


def ancestral_step(sigma: Tensor, sigma_next: Tensor, eta: float) -> tuple[Tensor, Tensor]:
    """(level to step down to, standard deviation of the noise to add there), to arrive at ``sigma_next``.

    ``eta`` 0 is deterministic, 1 the ancestral sampling of Song et al. 2020 (arXiv:2010.02502), equation 16.
    """
    if not eta:
        return sigma_next, torch.zeros(())
    # In this order, so that levels round as ComfyUI's: some guidance tells from the last bit whether noise rose.
    variance = sigma_next**2 * (sigma**2 - sigma_next**2).clamp(min=0) / sigma**2
    up = torch.fmin(sigma_next, eta * variance**0.5)  # not NaN from an infinite level
    return (sigma_next**2 - up**2) ** 0.5, up


def renoised_step(
    model: Parameterization, sigma: Tensor, sigma_next: Tensor, eta: float
) -> tuple[Tensor, Tensor, Tensor]:
    """(level to step down to, factor on the result there, standard deviation of the noise to add).

    In k-diffusion scaling an ancestral step. In a flow clean latent and noise stay in the proportion 1 - sigma : sigma.
    """
    if not model.is_flow:
        down, up = ancestral_step(sigma, sigma_next, eta)
        return down, torch.ones(()), up
    down = sigma_next * (1 + (sigma_next / sigma - 1) * eta)
    keep = (1 - sigma_next) / (1 - down)
    return down, keep, (sigma_next**2 - down**2 * keep**2).clamp(min=0) ** 0.5


def half_log_snr(model: Parameterization, sigma: Tensor) -> Tensor:
    """The half log SNR, lambda = log(alpha / sigma): Lu et al. 2022 (arXiv:2206.00927)."""
    return -sigma.logit() if model.is_flow else -sigma.log()


def sigma_at(model: Parameterization, half_log_snr: Tensor) -> Tensor:
    """The inverse of :func:`half_log_snr`."""
    return (-half_log_snr).sigmoid() if model.is_flow else (-half_log_snr).exp()


def signal(sigma: Tensor, half_log_snr: Tensor) -> Tensor:
    """alpha, the factor of the clean latent at ``sigma``: 1 in k-diffusion scaling, 1 - sigma for a flow."""
    return sigma * half_log_snr.exp()


def with_finite_snr(model: Parameterization, sigmas: Tensor) -> Tensor:
    """``sigmas``, with a flow's first one moved below 1, where the log SNR is finite."""
    if not model.is_flow or len(sigmas) < 2 or sigmas[0] < 1:
        return sigmas
    return torch.cat([sigmas.new_tensor([model.percent_to_sigma(FIRST_FLOW_PERCENT)]), sigmas[1:]])
