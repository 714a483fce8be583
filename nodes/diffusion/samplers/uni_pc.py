"""UniPC: a unified predictor-corrector of the clean prediction, up to third order. Zhao et al. 2023 (arXiv:2302.04867).

Time is lambda = -log sigma.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from nodes.diffusion.samplers.steps import predict
from nodes.sampling_values import Denoiser, StepCallback

LOWEST_SIGMA = 0.001
"""Stands for a last sigma of 0, whose log SNR is infinite."""

MAX_ORDER = 3


def sample_uni_pc(denoise: Denoiser, x: Tensor, sigmas: Tensor, *, callback: StepCallback | None = None) -> Tensor:
    """UniPC with B(h) = h, in the form for data prediction."""
    return _sample(denoise, x, sigmas, callback, variant="bh1")


def sample_uni_pc_bh2(denoise: Denoiser, x: Tensor, sigmas: Tensor, *, callback: StepCallback | None = None) -> Tensor:
    """UniPC with B(h) = exp(h) - 1."""
    return _sample(denoise, x, sigmas, callback, variant="bh2")


def _sample(denoise: Denoiser, x: Tensor, sigmas: Tensor, callback: StepCallback | None, *, variant: str) -> Tensor:
    if len(sigmas) <= 1:
        return x
    sigmas = sigmas.float().cpu().clone()
    if sigmas[-1] == 0:
        sigmas[-1] = LOWEST_SIGMA
    lambdas, last = -sigmas.log(), len(sigmas) - 1
    most = max(min(MAX_ORDER, last - 1), 1)
    known = [predict(denoise, x, sigmas[0], 0, callback)]
    for step in range(1, last + 1):
        order = min(step, most, last + 1 - step)
        base, differences, rates = _expansion(x, sigmas, lambdas, known, step, order)
        h = lambdas[step - 1] - lambdas[step]
        scale = h if variant == "bh1" else h.expm1()
        rows, targets = _conditions(rates, h, scale)
        predicted = base - scale * _mix(_predictor_weights(rows, targets), differences)
        if step == last:
            return predicted
        clean = predict(denoise, predicted, sigmas[step], step, callback)
        weights = torch.tensor([0.5]) if order == 1 else torch.linalg.solve(rows, targets)
        x = base - scale * _mix(weights, [*differences, clean - known[-1]])
        known = [*known, clean][-MAX_ORDER:]
    return x


def _expansion(
    x: Tensor, sigmas: Tensor, lambdas: Tensor, known: list[Tensor], step: int, order: int
) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """(first-order step, divided differences of earlier predictions, their places in steps; the last place is 1)."""
    h = lambdas[step] - lambdas[step - 1]
    base = sigmas[step] / sigmas[step - 1] * x - (-h).expm1() * known[-1]
    rates = [(lambdas[step - 1 - back] - lambdas[step - 1]) / h for back in range(1, order)]
    differences = [(known[-1 - back] - known[-1]) / rate for back, rate in enumerate(rates, start=1)]
    return base, differences, [*rates, torch.ones(())]


def _conditions(rates: list[Tensor], h: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """The matrix and right-hand side of the order conditions; ``h`` is below 0 in data prediction."""
    places = torch.stack(rates)
    phi = h.expm1() / h - 1
    rows, targets = [], []
    for power in range(1, len(rates) + 1):
        rows.append(places ** (power - 1))
        targets.append(phi * math.factorial(power) / scale)
        phi = phi / h - 1 / math.factorial(power + 1)
    return torch.stack(rows), torch.stack(targets)


def _predictor_weights(rows: Tensor, targets: Tensor) -> Tensor:
    """The conditions without the level that is being predicted; order 2 takes the simpler 1/2."""
    if len(targets) == 2:
        return torch.tensor([0.5])
    solved: Tensor = torch.linalg.solve(rows[:-1, :-1], targets[:-1])
    return solved


def _mix(weights: Tensor, differences: list[Tensor]) -> Tensor:
    mixed = torch.zeros(())
    for weight, difference in zip(weights, differences, strict=True):
        mixed = mixed + weight * difference
    return mixed
