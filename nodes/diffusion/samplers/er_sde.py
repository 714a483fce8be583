"""Extended reverse-time SDE solver: Cui et al. 2023 (arXiv:2309.06169)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from engine.errors import InputInvalid
from nodes.diffusion import noise
from nodes.diffusion.samplers.steps import half_log_snr, intervals, predict, with_finite_snr
from nodes.sampling_values import Denoiser, StepCallback

INTEGRATION_POINTS = 200


def sample_er_sde(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    callback: StepCallback | None = None,
    solver_type: str = "ER-SDE",
    eta: float = 1.0,
    s_noise: float = 1.0,
    max_stage: int = 3,
) -> Tensor:
    """VP ER-SDE-Solver up to order ``max_stage``; time is sigma / alpha.

    ``solver_type``: whose noise function phi is used. ``ER-SDE``: the paper's, x ** (1 - eta) phi ** eta;
    ``Reverse-time SDE``: x ** (eta + 1); ``ODE``, and any with ``eta`` 0: x, without noise.
    """
    phi = _noise_function(solver_type, eta)
    model = denoise.parameterization
    s_noise = 0.0 if phi is _ode_phi else s_noise * model.noise_scale
    step_noise = noise.independent(x, denoise.seed, denoise.step_noise)
    sigmas = with_finite_snr(model, sigmas.float().cpu())
    times = (-half_log_snr(model, sigmas)).exp()
    before: Tensor | None = None
    slope_before: Tensor | None = None
    for step, sigma, sigma_next in intervals(sigmas):
        denoised = predict(denoise, x, sigma, step, callback)
        if sigma_next == 0:
            return denoised
        start, end = times[step], times[step + 1]
        alpha, alpha_next = sigma / start, sigma_next / end
        ratio = phi(end) / phi(start)
        x = alpha_next / alpha * ratio * x + alpha_next * (1 - ratio) * denoised
        if before is not None and max_stage >= 2:
            first, second = _taylor_weights(phi, start, end)
            slope = (denoised - before) / (start - times[step - 1])
            x = x + alpha_next * first * slope
            if slope_before is not None and max_stage >= 3:
                bend = (slope - slope_before) / ((start - times[step - 2]) / 2)
                x = x + alpha_next * second * bend
            slope_before = slope
        if s_noise > 0:
            deviation = (end**2 - start**2 * ratio**2).sqrt().nan_to_num(nan=0.0)
            x = x + step_noise(sigma, sigma_next) * (alpha_next * s_noise * deviation)
        before = denoised
    return x


def _taylor_weights(phi: Callable[[Tensor], Tensor], start: Tensor, end: Tensor) -> tuple[Tensor, Tensor]:
    """Weights of the prediction's first and second derivative, by a Riemann sum from ``end``."""
    width = (start - end) / INTEGRATION_POINTS
    points = end + torch.arange(INTEGRATION_POINTS, dtype=torch.float32) * width
    inverse = 1 / phi(points)
    first = (end - start) + inverse.sum() * width * phi(end)
    second = (end - start) ** 2 / 2 + ((points - start) * inverse).sum() * width * phi(end)
    return first, second


def _noise_function(solver_type: str, eta: float) -> Callable[[Tensor], Tensor]:
    if solver_type not in ("ER-SDE", "Reverse-time SDE", "ODE"):
        raise InputInvalid(
            f"unknown solver type '{solver_type}'", input="solver_type", remedy="ER-SDE, Reverse-time SDE or ODE"
        )
    if solver_type == "ODE" or eta == 0:
        return _ode_phi
    return partial(_paper_phi if solver_type == "ER-SDE" else _reverse_time_phi, eta)


def _paper_phi(eta: float, time: Tensor) -> Tensor:
    """At ``eta`` 1 the noise function that the paper found best (ER SDE 5): x (exp(x ** 0.3) + 10)."""
    return time * ((time**0.3).exp() + 10.0) ** eta


def _reverse_time_phi(eta: float, time: Tensor) -> Tensor:
    return time ** (eta + 1)


def _ode_phi(time: Tensor) -> Tensor:
    return time
