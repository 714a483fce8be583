"""Adams-Bashforth methods: a step from the slopes of the last few levels (lms, ipndm, ipndm_v, deis)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from engine.errors import InputInvalid
from nodes.diffusion.samplers.steps import intervals, predict, slope
from nodes.sampling_values import Denoiser, StepCallback

Number = TypeVar("Number", float, Tensor)
Weights = Callable[[int, int], Sequence[Tensor | float]]
"""(step, order) -> the weights of the current slope and of those before it, the latest first; they sum to the step."""

ADAMS_BASHFORTH = {
    1: (1.0,),
    2: (3 / 2, -1 / 2),
    3: (23 / 12, -16 / 12, 5 / 12),
    4: (55 / 24, -59 / 24, 37 / 24, -9 / 24),
}
DEIS_SIGMA_MIN, DEIS_SIGMA_MAX, DEIS_TIME_MIN = 0.002, 80.0, 1e-3
DEIS_POINTS = 10_000


def sample_lms(
    denoise: Denoiser, x: Tensor, sigmas: Tensor, *, callback: StepCallback | None = None, order: int = 4
) -> Tensor:
    """Linear multistep: the integral over the step of the polynomial through the last ``order`` slopes.

    Hairer, Nørsett, Wanner: Solving Ordinary Differential Equations I, section III.5.
    """
    import scipy.integrate  # slow to import, and few pictures have this sampler

    levels = sigmas.float().cpu().numpy()

    def weights(step: int, used: int) -> list[float]:
        knots = [levels[step - k] for k in range(used)]
        start, end = levels[step], levels[step + 1]
        return [float(scipy.integrate.quad(_lagrange(knots, j), start, end, epsrel=1e-4)[0]) for j in range(used)]

    return _adams(denoise, x, sigmas, callback, _positive(order, "order"), weights)


def sample_ipndm(
    denoise: Denoiser, x: Tensor, sigmas: Tensor, *, callback: StepCallback | None = None, max_order: int = 4
) -> Tensor:
    """Adams-Bashforth weights for equal steps, whatever the steps: Zhang and Chen 2022 (arXiv:2204.13902), iPNDM."""
    sigmas = sigmas.float().cpu()

    def weights(step: int, used: int) -> list[Tensor]:
        return [(sigmas[step + 1] - sigmas[step]) * weight for weight in ADAMS_BASHFORTH[used]]

    return _adams(denoise, x, sigmas, callback, _at_most_four(max_order), weights)


def sample_ipndm_v(
    denoise: Denoiser, x: Tensor, sigmas: Tensor, *, callback: StepCallback | None = None, max_order: int = 4
) -> Tensor:
    """The same with weights that follow the step widths, as in diff-sampler (Zhou et al. 2024, arXiv:2312.00094)."""
    sigmas = sigmas.float().cpu()

    def weights(step: int, used: int) -> list[Tensor]:
        widths = [sigmas[step + 1 - k] - sigmas[step - k] for k in range(used)]
        return [widths[0] * weight for weight in _variable_step_weights(widths)]

    return _adams(denoise, x, sigmas, callback, _at_most_four(max_order), weights)


def sample_deis(
    denoise: Denoiser, x: Tensor, sigmas: Tensor, *, callback: StepCallback | None = None, max_order: int = 3
) -> Tensor:
    """DEIS tAB: the polynomial is one in the time of the VP diffusion. Zhang and Chen 2022 (arXiv:2204.13902)."""
    sigmas = sigmas.float().cpu()
    times, drift, drift_slope = _vp_times(sigmas)

    def weights(step: int, used: int) -> list[Tensor]:
        if used == 1 or sigmas[step + 1] <= 0:
            return [sigmas[step + 1] - sigmas[step]]
        points = torch.linspace(times[step].item(), times[step + 1].item(), DEIS_POINTS)
        log_alpha = -0.5 * points**2 * drift_slope - points * drift
        speed = 0.5 * (points * drift_slope + drift) / (log_alpha.exp() * -log_alpha.expm1()).sqrt()
        knots = [times[step - k] for k in range(used)]
        width = (times[step + 1] - times[step]) / DEIS_POINTS
        return [(speed * _lagrange(knots, j)(points)).sum() * width for j in range(used)]

    return _adams(denoise, x, sigmas, callback, _at_most_four(max_order), weights)


def _adams(
    denoise: Denoiser, x: Tensor, sigmas: Tensor, callback: StepCallback | None, max_order: int, weights: Weights
) -> Tensor:
    """Steps from up to ``max_order`` slopes; to zero, the prediction itself."""
    slopes: list[Tensor] = []
    for step, sigma, sigma_next in intervals(sigmas):
        denoised = predict(denoise, x, sigma, step, callback)
        if sigma_next == 0:
            return denoised
        slopes = [slope(x, sigma, denoised), *slopes[: max_order - 1]]
        for weight, earlier in zip(weights(step, len(slopes)), slopes, strict=False):
            x = x + weight * earlier
    return x


def _lagrange(knots: Sequence[Number], j: int) -> Callable[[Number], Number]:
    """The polynomial that is 1 at knot ``j`` and 0 at the others."""

    def polynomial(at: Number) -> Number:
        product = at * 0 + 1
        for k, knot in enumerate(knots):
            if k != j:
                product = product * ((at - knot) / (knots[j] - knot))
        return product

    return polynomial


def _variable_step_weights(widths: list[Tensor]) -> list[Tensor]:
    """Weights of slopes for steps of these widths (this step's first), relative to this step's width.

    Newton's divided differences; the weight of the third one is diff-sampler's, not the exact integral.
    """
    h = widths
    first = h[0] / h[1] / 2 if len(h) > 1 else torch.zeros(())
    weights = [1 + first, -first]
    if len(h) > 2:
        third = h[0] / (3 * (h[0] + h[1]))
        spread = h[0] * (h[0] + h[1]) / (h[1] * (h[1] + h[2]))
        second = (1 - third * spread) / 2
        ratio = h[1] / h[2]
        weights = [weights[0] + second, weights[1] - (1 + ratio) * second, second * ratio]
    if len(h) > 3:
        return _with_fourth(h, weights, third, ratio)
    return weights[: len(h)]


def _with_fourth(h: list[Tensor], weights: list[Tensor], third: Tensor, ratio: Tensor) -> list[Tensor]:
    reach = h[0] + h[1] + h[2]
    fourth = (1 - third) / 2 + (1 - h[0] / (2 * (h[0] + h[1]))) * h[0] / (6 * reach)
    fourth = fourth * h[0] * (h[0] + h[1]) * reach / (h[1] * (h[1] + h[2]) * (h[1] + h[2] + h[3]))
    spread = h[1] * (h[1] + h[2]) / (h[2] * (h[2] + h[3]))
    return [
        weights[0] + fourth,
        weights[1] - (1 + ratio + spread) * fourth,
        weights[2] + (ratio + spread * (1 + h[2] / h[3])) * fourth,
        -fourth * spread * ratio,
    ]


def _vp_times(sigmas: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(time of each sigma, drift at time 0, its slope) of the VP diffusion whose sigma runs from 0.002 to 80."""
    log_low = torch.tensor(DEIS_SIGMA_MIN**2 + 1).log()
    log_high = torch.tensor(DEIS_SIGMA_MAX**2 + 1).log()
    drift_slope = 2 * (log_low / DEIS_TIME_MIN - log_high) / (DEIS_TIME_MIN - 1)
    drift = log_high - 0.5 * drift_slope
    times = ((drift**2 + 2 * drift_slope * (sigmas**2 + 1).log()).sqrt() - drift) / drift_slope
    return times, drift, drift_slope


def _positive(order: int, name: str) -> int:
    if order < 1:
        raise InputInvalid(f"'{name}' must be at least 1", input=name)
    return order


def _at_most_four(max_order: int) -> int:
    if not 1 <= max_order <= 4:
        raise InputInvalid("'max_order' is 1, 2, 3 or 4", input="max_order")
    return max_order
