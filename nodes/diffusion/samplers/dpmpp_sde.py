"""DPM-Solver++ for the diffusion SDE: noise from one Brownian path, so that more steps refine the same picture.

Lu et al. 2022 (arXiv:2211.01095), with the multistep forms of k-diffusion. Time is half the log SNR;
``eta`` scales the noise of the reverse SDE, 0 gives the ODE.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from torch import Tensor

from engine.errors import InputInvalid
from nodes.diffusion import noise
from nodes.diffusion.parameterization import Parameterization
from nodes.diffusion.samplers.steps import (
    ancestral_step,
    half_log_snr,
    intervals,
    predict,
    sigma_at,
    signal,
    with_finite_snr,
)
from nodes.sampling_values import Denoiser, StepCallback

History = Sequence[tuple[Tensor, Tensor]]
"""(prediction, width of the step that was taken with it) of earlier steps, the latest first."""


def sample_dpmpp_sde(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    callback: StepCallback | None = None,
    eta: float = 1.0,
    s_noise: float = 1.0,
    r: float = 0.5,
    noise_on_gpu: bool = False,
) -> Tensor:
    """Two stages a step, the first one ``r`` of the way, each followed by noise.

    ``noise_on_gpu``, here and below: the path is drawn where the latent is, if step noise may be.
    """
    if len(sigmas) <= 1:
        return x
    if r <= 0:
        raise InputInvalid("'r' must be above 0", input="r")
    model, step_noise = denoise.parameterization, _path(denoise, x, sigmas, noise_on_gpu)
    s_noise *= model.noise_scale
    for step, sigma, sigma_next in intervals(with_finite_snr(model, sigmas)):
        denoised = predict(denoise, x, sigma, step, callback)
        if sigma_next == 0:
            x = denoised
            continue
        middle = sigma_at(model, half_log_snr(model, sigma).lerp(half_log_snr(model, sigma_next), r))
        ahead, up = _ancestral(model, x, denoised, sigma, middle, eta)
        if eta > 0 and s_noise > 0:
            ahead = ahead + step_noise(sigma, middle) * (s_noise * up)
        clean = denoised + (denoise(ahead, middle) - denoised) / (2 * r)
        x, up = _ancestral(model, x, clean, sigma, sigma_next, eta)
        if eta > 0 and s_noise > 0:
            x = x + step_noise(sigma, sigma_next) * (s_noise * up)
    return x


def sample_dpmpp_2m_sde(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    callback: StepCallback | None = None,
    eta: float = 1.0,
    s_noise: float = 1.0,
    solver_type: str = "midpoint",
    noise_on_gpu: bool = False,
) -> Tensor:
    """Second order from the last two predictions. ``solver_type``: how their slope counts, ``midpoint`` or ``heun``."""
    if solver_type not in ("midpoint", "heun"):
        raise InputInvalid(f"unknown solver type '{solver_type}'", input="solver_type", remedy="midpoint or heun")
    slope_weight = _half if solver_type == "midpoint" else _phi_2
    return _multistep(denoise, x, sigmas, callback, eta, s_noise, noise_on_gpu, partial(_two_step, slope_weight))


def sample_dpmpp_2m_sde_heun(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    callback: StepCallback | None = None,
    eta: float = 1.0,
    s_noise: float = 1.0,
    solver_type: str = "heun",
    noise_on_gpu: bool = False,
) -> Tensor:
    """2M with ``heun`` for its solver type."""
    return sample_dpmpp_2m_sde(
        denoise,
        x,
        sigmas,
        callback=callback,
        eta=eta,
        s_noise=s_noise,
        solver_type=solver_type,
        noise_on_gpu=noise_on_gpu,
    )


def sample_dpmpp_3m_sde(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    callback: StepCallback | None = None,
    eta: float = 1.0,
    s_noise: float = 1.0,
    noise_on_gpu: bool = False,
) -> Tensor:
    """Third order from the last three predictions."""
    return _multistep(denoise, x, sigmas, callback, eta, s_noise, noise_on_gpu, _three_step)


def _path(denoise: Denoiser, x: Tensor, sigmas: Tensor, on_gpu: bool) -> noise.StepNoise:
    device = noise.step_noise_device(x, denoise.step_noise) if on_gpu else None
    return noise.brownian(x, sigmas, denoise.seed, device)


def _ancestral(
    model: Parameterization, x: Tensor, clean: Tensor, sigma: Tensor, sigma_to: Tensor, eta: float
) -> tuple[Tensor, Tensor]:
    """(``x`` moved towards a constant clean latent, standard deviation of the noise to add to be at ``sigma_to``)."""
    start, end = half_log_snr(model, sigma), half_log_snr(model, sigma_to)
    down, up = ancestral_step((-start).exp(), (-end).exp(), eta)
    alpha, alpha_to = signal(sigma, start), signal(sigma_to, end)
    ratio = down * start.exp()
    return alpha_to / alpha * ratio * x + alpha_to * (1 - ratio) * clean, alpha_to * up


def _multistep(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    callback: StepCallback | None,
    eta: float,
    s_noise: float,
    noise_on_gpu: bool,
    correction: Callable[[Tensor, Tensor, Tensor, History], Tensor | None],
) -> Tensor:
    """First-order steps plus ``correction``(h, (1 + eta) h, prediction, history), both for unit signal."""
    if len(sigmas) <= 1:
        return x
    model, step_noise = denoise.parameterization, _path(denoise, x, sigmas, noise_on_gpu)
    s_noise *= model.noise_scale
    history: list[tuple[Tensor, Tensor]] = []
    for step, sigma, sigma_next in intervals(with_finite_snr(model, sigmas)):
        denoised = predict(denoise, x, sigma, step, callback)
        if sigma_next == 0:
            return denoised
        end = half_log_snr(model, sigma_next)
        h = end - half_log_snr(model, sigma)
        h_eta = h * (1 + eta)
        alpha = signal(sigma_next, end)
        x = sigma_next / sigma * (-h * eta).exp() * x - alpha * (-h_eta).expm1() * denoised
        correcting = correction(h, h_eta, denoised, history)
        if correcting is not None:
            x = x + alpha * correcting
        if eta > 0 and s_noise > 0:
            x = x + step_noise(sigma, sigma_next) * (sigma_next * (-(-2 * h * eta).expm1()).sqrt() * s_noise)
        history = [(denoised, h), *history[:1]]
    return x


def _half(h_eta: Tensor) -> Tensor:
    return -0.5 * (-h_eta).expm1()


def _phi_2(h_eta: Tensor) -> Tensor:
    return (-h_eta).expm1() / h_eta + 1


def _two_step(
    slope_weight: Callable[[Tensor], Tensor], h: Tensor, h_eta: Tensor, denoised: Tensor, history: History
) -> Tensor | None:
    if not history:
        return None
    before, h_before = history[0]
    return slope_weight(h_eta) * (h / h_before) * (denoised - before)


def _three_step(h: Tensor, h_eta: Tensor, denoised: Tensor, history: History) -> Tensor | None:
    if len(history) < 2:
        return _two_step(_phi_2, h, h_eta, denoised, history)
    (before, h_before), (earlier, h_earlier) = history
    ratio, ratio_earlier = h_before / h, h_earlier / h
    slope, slope_before = (denoised - before) / ratio, (before - earlier) / ratio_earlier
    bend = (slope - slope_before) / (ratio + ratio_earlier)
    phi_2 = _phi_2(h_eta)
    return phi_2 * (slope + bend * ratio) - (phi_2 / h_eta - 0.5) * bend
