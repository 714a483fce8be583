"""Noise levels: which sigma belongs to which of the timesteps that a network was trained on, and back.

A table of sigmas (ascending, float32) comes with every kind, because some schedules pick from a table.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from engine.errors import InputInvalid

BEFORE_ANY_SIGMA = 999999999.9
"""Progress 0 as a sigma, for models whose sigma has no upper bound: larger than every sigma that occurs."""

ZERO_SNR_ALPHA_BAR = 4.8973451890853435e-08
"""Stands for 0 in the last entry of a zero terminal SNR schedule, so that its sigma (about 4519) stays finite."""


class NoiseLevels(Protocol):
    """What a parameterization asks of its noise levels. Tensors are float32; any shape in, the same shape out."""

    @property
    def sigmas(self) -> Tensor: ...

    def timestep(self, sigma: Tensor) -> Tensor: ...

    def sigma(self, timestep: Tensor) -> Tensor: ...

    def percent_to_sigma(self, percent: float) -> float: ...


@dataclass(frozen=True, eq=False)
class Discrete:
    """A table of levels; a sigma has the timestep whose level is nearest in log sigma.

    ``stride``: how many of the ``steps`` training timesteps lie between two entries. Distilled networks (LCM) know
    every 20th only. Between two entries ``sigma`` interpolates linearly in log sigma.
    """

    sigmas: Tensor
    stride: int = 1
    steps: int = 1000
    log_sigmas: Tensor = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "log_sigmas", self.sigmas.log().float())
        object.__setattr__(self, "sigmas", self.sigmas.float())

    def timestep(self, sigma: Tensor) -> Tensor:
        """The timestep of the nearest level: int64."""
        log_sigmas = self.log_sigmas.to(sigma.device)
        nearest = (sigma.log().reshape(-1) - log_sigmas[:, None]).abs().argmin(dim=0).view(sigma.shape)
        return nearest * self.stride + (self.stride - 1)

    def sigma(self, timestep: Tensor) -> Tensor:
        """The sigma of a timestep, which may be fractional; timesteps outside the table take its ends."""
        log_sigmas = self.log_sigmas.to(timestep.device)
        place = ((timestep.float() - (self.stride - 1)) / self.stride).clamp(0, len(log_sigmas) - 1)
        weight = place.frac()
        log_sigma = (1 - weight) * log_sigmas[place.floor().long()] + weight * log_sigmas[place.ceil().long()]
        return log_sigma.exp()

    def percent_to_sigma(self, percent: float) -> float:
        """The sigma at which ``percent`` (0..1) of the timesteps have passed."""
        if percent <= 0.0:
            return BEFORE_ANY_SIGMA
        if percent >= 1.0:
            return 0.0
        return self.sigma(torch.tensor((1.0 - percent) * (self.steps - 1.0))).item()


@dataclass(frozen=True)
class LogUniform:
    """Levels spread evenly in log sigma between two ends; the network is told log(sigma) / 4.

    Karras et al. 2022 (arXiv:2206.00364), the c_noise of its table 1.
    """

    minimum: float = 0.002
    maximum: float = 120.0

    def __post_init__(self) -> None:
        if not 0 < self.minimum < self.maximum:
            raise InputInvalid(
                f"sigma_min {self.minimum} and sigma_max {self.maximum} are no range of noise levels",
                input="sigma_min",
                remedy="0 < sigma_min < sigma_max",
            )

    @cached_property
    def sigmas(self) -> Tensor:
        """1000 levels."""
        return torch.linspace(math.log(self.minimum), math.log(self.maximum), 1000).exp()

    def timestep(self, sigma: Tensor) -> Tensor:
        """log(sigma) / 4."""
        return 0.25 * sigma.log()

    def sigma(self, timestep: Tensor) -> Tensor:
        """exp(4 timestep)."""
        return (timestep / 0.25).exp()

    def percent_to_sigma(self, percent: float) -> float:
        """The sigma at ``percent`` (0..1) of the way from the largest to the smallest, in log sigma."""
        if percent <= 0.0:
            return BEFORE_ANY_SIGMA
        if percent >= 1.0:
            return 0.0
        low, high = math.log(self.sigmas[0]), math.log(self.sigmas[-1])
        return math.exp((high - low) * (1.0 - percent) + low)


@dataclass(frozen=True)
class Arctangent(LogUniform):
    """Levels as :class:`LogUniform`; the network is told 2 / pi atan(sigma), which lies in 0..1."""

    minimum: float = 0.03
    maximum: float = 500.0

    def timestep(self, sigma: Tensor) -> Tensor:
        """2 / pi atan(sigma)."""
        return sigma.atan() / math.pi * 2

    def sigma(self, timestep: Tensor) -> Tensor:
        """tan(pi / 2 timestep)."""
        return (timestep * math.pi / 2).tan()


@dataclass(frozen=True)
class SigmaRatio(LogUniform):
    """Levels as :class:`LogUniform`; the network is told sigma / (sigma + 1), as Cosmos is."""

    minimum: float = 0.002
    maximum: float = 80.0

    def timestep(self, sigma: Tensor) -> Tensor:
        """The share of noise, sigma / (sigma + 1)."""
        return sigma / (sigma + 1)

    def sigma(self, timestep: Tensor) -> Tensor:
        """The inverse, timestep / (1 - timestep), at most the largest level."""
        largest = self.sigmas[-1].to(timestep.device)
        return torch.where(timestep >= largest / (largest + 1), largest, timestep / (1 - timestep))


@dataclass(frozen=True)
class FlowLevels:
    """Levels of a rectified flow: sigma is the share of noise, 0..1, shifted towards more noise by ``shift``.

    Esser et al. 2024 (arXiv:2403.03206), section 5.3.2: sigma = shift t / (1 + (shift - 1) t). The network is told
    sigma * ``multiplier``. ``steps``: length of the table.
    """

    shift: float = 1.0
    multiplier: float = 1000.0
    steps: int = 1000

    @cached_property
    def sigmas(self) -> Tensor:
        """``steps`` levels, the last one 1."""
        return self._shifted(torch.arange(1, self.steps + 1) / self.steps)

    def _shifted(self, t: Tensor) -> Tensor:
        return t if self.shift == 1.0 else self.shift * t / (1 + (self.shift - 1) * t)

    def timestep(self, sigma: Tensor) -> Tensor:
        """What the network is told: sigma scaled."""
        return sigma * self.multiplier

    def sigma(self, timestep: Tensor) -> Tensor:
        """The shifted sigma of a point of the unshifted path; hence not the inverse of ``timestep``."""
        return self._shifted(timestep / self.multiplier)

    def percent_to_sigma(self, percent: float) -> float:
        """The sigma after ``percent`` (0..1) of the path."""
        if percent <= 0.0:
            return 1.0
        if percent >= 1.0:
            return 0.0
        return self._shifted(torch.tensor(1.0 - percent, dtype=torch.float64)).item()


@dataclass(frozen=True)
class ExponentialShift:
    """Flux's levels of a rectified flow, sigma = exp(mu) / (exp(mu) + 1 / t - 1); the network is told sigma.

    That is the shift exp(mu) of :class:`FlowLevels`, but it rounds otherwise, which counts near 1, where half the log
    SNR has its pole. ``steps``: length of the table.
    """

    mu: float = 1.15
    steps: int = 10_000

    @cached_property
    def sigmas(self) -> Tensor:
        """``steps`` levels, the last one 1."""
        return self.sigma(torch.arange(1, self.steps + 1) / self.steps)

    def timestep(self, sigma: Tensor) -> Tensor:
        """What the network is told: sigma itself."""
        return sigma

    def sigma(self, timestep: Tensor) -> Tensor:
        """The shifted sigma of a point of the unshifted path; hence not the inverse of ``timestep``."""
        shift = math.exp(self.mu)
        return shift / (shift + (1 / timestep - 1))

    def percent_to_sigma(self, percent: float) -> float:
        """The sigma after ``percent`` (0..1) of the path."""
        if percent <= 0.0:
            return 1.0
        if percent >= 1.0:
            return 0.0
        return self.sigma(torch.tensor(1.0 - percent, dtype=torch.float64)).item()


def scaled_linear_betas(start: float = 0.00085, end: float = 0.012, steps: int = 1000) -> Tensor:
    """Noise variances of Stable Diffusion: the square root rises linearly. float64[steps]."""
    return torch.linspace(start**0.5, end**0.5, steps, dtype=torch.float64) ** 2


def sigmas_of_betas(betas: Tensor) -> Tensor:
    """sqrt((1 - alpha_bar) / alpha_bar) with alpha_bar the running product of 1 - beta. float64, ascending."""
    alpha_bar = torch.cumprod(1.0 - betas.double(), dim=0)
    return ((1 - alpha_bar) / alpha_bar) ** 0.5


def with_zero_terminal_snr(sigmas: Tensor) -> Tensor:
    """The schedule shifted and scaled so that its last step is all noise and its first stays.

    Lin et al. 2023 (arXiv:2305.08891), algorithm 1.
    """
    root = (1 / (sigmas * sigmas + 1)).sqrt()
    first, last = root[0], root[-1]
    alpha_bar = ((root - last) * (first / (first - last))) ** 2
    alpha_bar[-1] = ZERO_SNR_ALPHA_BAR
    return ((1 - alpha_bar) / alpha_bar) ** 0.5
