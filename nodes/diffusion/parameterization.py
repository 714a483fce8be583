"""Parameterizations: what a network predicts, and how its output becomes a clean latent at a noise level sigma.

Latents are in k-diffusion scaling, x = clean + sigma * noise (Karras et al. 2022, arXiv:2206.00364), except for flows,
where x = (1 - sigma) * clean + sigma * noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

from torch import Tensor

from engine.errors import InputInvalid
from nodes.diffusion.noise_levels import (
    Arctangent,
    Discrete,
    ExponentialShift,
    FlowLevels,
    LogUniform,
    NoiseLevels,
    SigmaRatio,
    scaled_linear_betas,
    sigmas_of_betas,
    with_zero_terminal_snr,
)

Prediction = Literal["eps", "v", "edm", "x0", "lcm", "img_to_img", "img_to_img_flow", "const", "cosmos_rflow"]

LCM_SIGMA_DATA = 0.5
LCM_TIMESTEP_SCALE = 10.0
LCM_STRIDE = 20


@dataclass(frozen=True, eq=False)
class Parameterization:
    """What a network predicts (``prediction``) and the noise levels it knows (``levels``).

    ``eps``: the noise. ``v``: alpha noise - sigma clean. ``edm``: the residual of EDM's preconditioning, for data of
    standard deviation ``sigma_data``. ``x0`` and ``img_to_img``: the clean latent (the latter without input scaling).
    ``lcm``: the noise, under a consistency model's boundary condition. ``const``: a flow's velocity noise - clean.
    ``cosmos_rflow``: that velocity in k-diffusion scaling. ``img_to_img_flow``: the inverted clean latent, 1 - clean,
    from the latent itself instead of from noise. ``noise_scale``: the standard deviation of a flow's noise.
    Every ``sigma`` is a scalar tensor or one of shape [batch].
    """

    prediction: Prediction
    levels: NoiseLevels
    sigma_data: float = 1.0
    noise_scale: float = 1.0

    def __post_init__(self) -> None:
        if self.prediction not in get_args(Prediction):
            raise InputInvalid(f"unknown prediction type '{self.prediction}'", remedy=f"one of {get_args(Prediction)}")

    @property
    def is_flow(self) -> bool:
        """Whether noise and clean latent mix as sigma and 1 - sigma."""
        return self.prediction in ("const", "img_to_img_flow")

    @property
    def sigmas(self) -> Tensor:
        """The table of levels: float32, ascending, on the CPU."""
        return self.levels.sigmas

    @property
    def sigma_min(self) -> float:
        """The lowest level of the table."""
        return self.sigmas[0].item()

    @property
    def sigma_max(self) -> float:
        """The highest level of the table."""
        return self.sigmas[-1].item()

    def timestep(self, sigma: Tensor) -> Tensor:
        """What the network is told about ``sigma``; same shape."""
        return self.levels.timestep(sigma)

    def sigma(self, timestep: Tensor) -> Tensor:
        """The noise level of a timestep; same shape."""
        return self.levels.sigma(timestep)

    def percent_to_sigma(self, percent: float) -> float:
        """The sigma that sampling has reached after ``percent`` (0..1); at 0 a value no sigma exceeds, at 1 zero."""
        return self.levels.percent_to_sigma(percent)

    def scale_input(self, sigma: Tensor, x: Tensor) -> Tensor:
        """What the network gets for the noisy latent ``x``; same shape."""
        sigma = _against(sigma, x)
        if self.is_flow or self.prediction == "img_to_img":
            return x
        if self.prediction == "cosmos_rflow":
            return x * (1.0 - sigma / (sigma + 1))
        return x / (sigma**2 + self.sigma_data**2) ** 0.5

    def denoised(self, sigma: Tensor, output: Tensor, x: Tensor) -> Tensor:
        """The clean latent that the network's ``output`` for the noisy latent ``x`` means; same shape."""
        return _CLEAN[self.prediction](self, sigma, output, x)

    def add_noise(self, sigma: Tensor, noise: Tensor, latent: Tensor, max_denoise: bool = False) -> Tensor:
        """``latent`` brought to noise level ``sigma``; ``max_denoise``: to pure noise, of variance 1 + sigma**2."""
        sigma = _against(sigma, noise)
        if self.prediction == "img_to_img_flow":
            return latent
        if self.is_flow:
            return sigma * (self.noise_scale * noise) + (1.0 - sigma) * latent
        if max_denoise and self.prediction != "cosmos_rflow":
            return noise * (1.0 + sigma**2.0).sqrt() + latent
        return noise * sigma + latent

    def inverse_noise_scaling(self, sigma: Tensor, latent: Tensor) -> Tensor:
        """What was sampled down to ``sigma``, with the clean latent's part at full scale."""
        if self.prediction == "img_to_img_flow":
            return 1.0 - latent
        return latent / (1.0 - _against(sigma, latent)) if self.is_flow else latent

    def is_max_denoise(self, sigma: float) -> bool:
        """Whether sampling that starts at ``sigma`` starts from pure noise (to 1 part in 100,000)."""
        return sigma > self.sigma_max or math.isclose(sigma, self.sigma_max, rel_tol=1e-5)


def _against(sigma: Tensor, x: Tensor) -> Tensor:
    """``sigma`` ([batch] or scalar) with trailing axes so that it scales ``x``'s items."""
    return sigma.reshape(sigma.shape[:1] + (1,) * (x.ndim - 1)) if sigma.ndim else sigma


def _from_noise(self: Parameterization, sigma: Tensor, output: Tensor, x: Tensor) -> Tensor:
    return x - output * _against(sigma, output)


def _from_velocity(self: Parameterization, sigma: Tensor, output: Tensor, x: Tensor) -> Tensor:
    sigma, data = _against(sigma, output), self.sigma_data
    sign = 1.0 if self.prediction == "edm" else -1.0
    variance = sigma**2 + data**2
    return x * data**2 / variance + sign * output * sigma * data / variance**0.5


def _from_clean(self: Parameterization, sigma: Tensor, output: Tensor, x: Tensor) -> Tensor:
    return output


def _from_consistency(self: Parameterization, sigma: Tensor, output: Tensor, x: Tensor) -> Tensor:
    """The boundary scaling of Luo et al. 2023 (arXiv:2310.04378)."""
    t = _against(self.timestep(sigma), output) * LCM_TIMESTEP_SCALE
    variance = t**2 + LCM_SIGMA_DATA**2
    clean = x - output * _against(sigma, output)
    return t / variance**0.5 * clean + LCM_SIGMA_DATA**2 / variance * x


def _from_scaled_velocity(self: Parameterization, sigma: Tensor, output: Tensor, x: Tensor) -> Tensor:
    share = _against(sigma, output)
    share = share / (share + 1)
    return x * (1.0 - share) - output * share


_CLEAN: dict[str, Callable[[Parameterization, Tensor, Tensor, Tensor], Tensor]] = {
    "eps": _from_noise,
    "v": _from_velocity,
    "edm": _from_velocity,
    "x0": _from_clean,
    "img_to_img": _from_clean,
    "img_to_img_flow": _from_clean,
    "lcm": _from_consistency,
    "const": _from_noise,
    "cosmos_rflow": _from_scaled_velocity,
}


def discrete(prediction: Prediction = "eps", betas: Tensor | None = None, *, zsnr: bool = False) -> Parameterization:
    """A network trained on 1000 timesteps, as SD1.5 (``eps``) and SDXL are. ``lcm`` networks know every 20th.

    ``betas``: float64[steps], Stable Diffusion's if not given. ``zsnr``: rescaled to zero terminal SNR.
    """
    sigmas = sigmas_of_betas(scaled_linear_betas() if betas is None else betas)
    if zsnr:
        sigmas = with_zero_terminal_snr(sigmas)
    if prediction == "lcm":
        steps = len(sigmas)
        return Parameterization(prediction, Discrete(sigmas.float()[LCM_STRIDE - 1 :: LCM_STRIDE], LCM_STRIDE, steps))
    return Parameterization(prediction, Discrete(sigmas, steps=len(sigmas)))


def continuous_edm(
    prediction: Prediction, sigma_min: float = 0.002, sigma_max: float = 120.0, sigma_data: float = 1.0
) -> Parameterization:
    """A network that is told log(sigma) / 4, on levels between ``sigma_min`` and ``sigma_max``."""
    return Parameterization(prediction, LogUniform(sigma_min, sigma_max), sigma_data)


def continuous_v(sigma_min: float = 0.03, sigma_max: float = 500.0) -> Parameterization:
    """A velocity network that is told 2 / pi atan(sigma)."""
    return Parameterization("v", Arctangent(sigma_min, sigma_max))


def cosmos_rflow(sigma_min: float = 0.002, sigma_max: float = 80.0) -> Parameterization:
    """A rectified flow in k-diffusion scaling, as Cosmos is."""
    return Parameterization("cosmos_rflow", SigmaRatio(sigma_min, sigma_max))


def flow(shift: float = 1.0, multiplier: float = 1000.0, noise_scale: float = 1.0) -> Parameterization:
    """A rectified flow with a constant shift: SD3 (shift 3, multiplier 1000), AuraFlow (1.73, 1)."""
    return Parameterization("const", FlowLevels(shift, multiplier), noise_scale=noise_scale)


def flux_flow(mu: float = 1.15) -> Parameterization:
    """A rectified flow with Flux's shift exp(mu), from 10,000 levels: Flux.1 and Qwen-Image (1.15), Flux.2 (2.02)."""
    return Parameterization("const", ExponentialShift(mu))
