"""DPM-Solver with steps of one to three stages, on fixed (dpm_fast) and on adapted step sizes (dpm_adaptive).

Lu et al. 2022 (arXiv:2206.00927). Time is t = -log sigma, the noise prediction eps = (x - denoised) / sigma.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from engine.errors import InputInvalid
from nodes.diffusion import noise
from nodes.diffusion.samplers.steps import ancestral_step
from nodes.sampling_values import Denoiser, StepCallback

NoisePrediction = Callable[[Tensor, Tensor], Tensor]


def sample_dpm_fast(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    callback: StepCallback | None = None,
    eta: float = 0.0,
    s_noise: float = 1.0,
) -> Tensor:
    """DPM-Solver-fast: as many evaluations as there are steps, in third-order steps even in log sigma, then one lower.

    Of ``sigmas`` only the ends count, and how many there are; the end is the last positive level.
    """
    if len(sigmas) <= 1:
        return x
    start, end = _ends(sigmas)
    eps, step_noise = _noise_prediction(denoise), noise.independent(x, denoise.seed, denoise.step_noise)
    evaluations = len(sigmas) - 1
    rounds = evaluations // 3 + 1
    orders = [3] * (rounds - 2) + [2, 1] if evaluations % 3 == 0 else [3] * (rounds - 1) + [evaluations % 3]
    times = torch.linspace(start.item(), end.item(), rounds + 1)
    for step, order in enumerate(orders):
        time, time_next = times[step], times[step + 1]
        target, up = _ancestral_target(time, time_next, end, eta)
        first = eps(x, time)
        if callback is not None:
            callback(step, _sigma(time), x, x - _sigma(time) * first)
        x = _STEPS[order](eps, x, time, target, first)
        if eta:
            x = x + up * s_noise * step_noise(_sigma(time), _sigma(time_next))
    return x


def sample_dpm_adaptive(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    callback: StepCallback | None = None,
    order: int = 3,
    rtol: float = 0.05,
    atol: float = 0.0078,
    h_init: float = 0.05,
    pcoeff: float = 0.0,
    icoeff: float = 1.0,
    dcoeff: float = 0.0,
    accept_safety: float = 0.81,
    eta: float = 0.0,
    s_noise: float = 1.0,
) -> Tensor:
    """DPM-Solver-12 or -23: step sizes in log sigma follow the difference between two orders.

    Of ``sigmas`` only the ends count. ``rtol``/``atol`` bound the error, ``pcoeff``/``icoeff``/``dcoeff`` steer the
    step size (a PID controller), a step is taken where its factor is at least ``accept_safety``.
    """
    if len(sigmas) <= 1:
        return x
    if order not in (2, 3):
        raise InputInvalid(f"the order of dpm_adaptive is 2 or 3, not {order}", input="order")
    time, end = _ends(sigmas)
    eps, step_noise = _noise_prediction(denoise), noise.independent(x, denoise.seed, denoise.step_noise)
    size = _StepSize(abs(h_init), pcoeff, icoeff, dcoeff, 1.5 if eta else order, accept_safety)
    low_before, step = x, 0
    while time < end - 1e-5:
        time_next = torch.minimum(end, time + size.h)
        target, up = _ancestral_target(time, time_next, end, eta)
        first = eps(x, time)
        if order == 2:
            low, high = _first_order(eps, x, time, target, first), _second_order(eps, x, time, target, first)
        else:
            second = _Remembered(eps)
            low = _second_order(second, x, time, target, first, r=1 / 3)
            high = _third_order(second, x, time, target, first)
        tolerance = torch.maximum(torch.tensor(atol).to(x), rtol * torch.maximum(low.abs(), low_before.abs()))
        error = torch.linalg.norm((low - high) / tolerance) / x.numel() ** 0.5
        if callback is not None:
            callback(step, _sigma(time), x, x - _sigma(time) * first)
        if size.accepts(float(error)):
            low_before, x = low, high
            if eta:
                x = x + up * s_noise * step_noise(_sigma(time), _sigma(time_next))
            time = time_next
        step += 1
    return x


@dataclass(slots=True)
class _StepSize:
    """A PID controller of the step size ``h``: Söderlind 2003 (doi:10.1145/641876.641877)."""

    h: float
    pcoeff: float
    icoeff: float
    dcoeff: float
    order: float
    accept_safety: float
    inverse_errors: list[float] = field(default_factory=list)

    def accepts(self, error: float) -> bool:
        """Whether the step that had this error is good enough; sets the next step's size either way."""
        inverse = 1 / (error + 1e-8)
        before, earlier = self.inverse_errors or (inverse, inverse)
        p, i, d = (c / self.order for c in (self.pcoeff, self.icoeff, self.dcoeff))
        factor = inverse ** (p + i + d) * before ** -(p + 2 * d) * earlier**d
        limited = 1 + math.atan(factor - 1)
        accepted = limited >= self.accept_safety
        if accepted or not self.inverse_errors:
            self.inverse_errors = [inverse, before]
        self.h *= limited
        return accepted


class _Remembered:
    """A noise prediction that is not computed twice for the same time within a step."""

    def __init__(self, eps: NoisePrediction) -> None:
        self._eps = eps
        self._known: dict[float, Tensor] = {}

    def __call__(self, x: Tensor, time: Tensor) -> Tensor:
        key = time.item()
        if key not in self._known:
            self._known[key] = self._eps(x, time)
        return self._known[key]


def _noise_prediction(denoise: Denoiser) -> NoisePrediction:
    return lambda x, time: (x - denoise(x, _sigma(time))) / _sigma(time)


def _sigma(time: Tensor) -> Tensor:
    return (-time).exp()


def _ends(sigmas: Tensor) -> tuple[Tensor, Tensor]:
    sigmas = sigmas.float().cpu()
    low = sigmas[-1] if sigmas[-1] != 0 else sigmas[-2]
    if low <= 0 or sigmas[0] <= 0:
        raise InputInvalid("DPM-Solver needs positive sigmas at both ends", input="sigmas")
    return -sigmas[0].log(), -low.log()


def _ancestral_target(time: Tensor, time_next: Tensor, end: Tensor, eta: float) -> tuple[Tensor, Tensor]:
    if not eta:
        return time_next, torch.zeros(())
    down, _ = ancestral_step(_sigma(time), _sigma(time_next), eta)
    target = torch.minimum(end, -down.log())
    return target, (_sigma(time_next) ** 2 - _sigma(target) ** 2) ** 0.5


def _first_order(eps: NoisePrediction, x: Tensor, time: Tensor, target: Tensor, first: Tensor) -> Tensor:
    return x - _sigma(target) * (target - time).expm1() * first


def _second_order(
    eps: NoisePrediction, x: Tensor, time: Tensor, target: Tensor, first: Tensor, r: float = 1 / 2
) -> Tensor:
    """Algorithm 1, with the middle stage at ``r`` of the step."""
    h = target - time
    middle = time + r * h
    at_middle = eps(x - _sigma(middle) * (r * h).expm1() * first, middle)
    return _first_order(eps, x, time, target, first) - _sigma(target) / (2 * r) * h.expm1() * (at_middle - first)


def _third_order(eps: NoisePrediction, x: Tensor, time: Tensor, target: Tensor, first: Tensor) -> Tensor:
    """Algorithm 2, with stages at a third and at two thirds of the step."""
    h = target - time
    one, two = time + h * (1 / 3), time + h * (2 / 3)
    at_one = eps(x - _sigma(one) * (h * (1 / 3)).expm1() * first, one)
    ahead = h * (2 / 3)
    lifted = _sigma(two) * 2 * (ahead.expm1() / ahead - 1) * (at_one - first)
    at_two = eps(x - _sigma(two) * ahead.expm1() * first - lifted, two)
    curvature = _sigma(target) * 1.5 * (h.expm1() / h - 1) * (at_two - first)
    return _first_order(eps, x, time, target, first) - curvature


_STEPS = {1: _first_order, 2: _second_order, 3: _third_order}
