"""SA-Solver: a stochastic Adams predictor-corrector. Xue et al. 2023 (arXiv:2309.05019). Time is half the log SNR."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nodes.diffusion import noise
from nodes.diffusion.samplers.steps import half_log_snr, intervals, predict, signal, with_finite_snr
from nodes.sampling_values import Denoiser, StepCallback

SDE_START_PERCENT, SDE_END_PERCENT = 0.2, 0.8


def sample_sa_solver(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    callback: StepCallback | None = None,
    eta: float = 1.0,
    sde_start_sigma: float | None = None,
    sde_end_sigma: float | None = None,
    s_noise: float = 1.0,
    predictor_order: int = 3,
    corrector_order: int = 4,
    use_pece: bool = False,
    simple_order_2: bool = False,
) -> Tensor:
    """Predict, evaluate, correct, with orders up to 6.

    tau is ``eta`` for steps to a sigma between the two given (20 % to 80 % of progress if None), 0 elsewhere.
    ``use_pece`` evaluates the corrected state once more; ``simple_order_2`` takes the coefficients of appendix D.
    """
    if len(sigmas) <= 1:
        return x
    model, step_noise = denoise.parameterization, noise.independent(x, denoise.seed, denoise.step_noise)
    s_noise *= model.noise_scale
    begin = model.percent_to_sigma(SDE_START_PERCENT) if sde_start_sigma is None else sde_start_sigma
    finish = model.percent_to_sigma(SDE_END_PERCENT) if sde_end_sigma is None else sde_end_sigma
    sigmas = with_finite_snr(model, sigmas.float().cpu())
    lambdas = half_log_snr(model, sigmas)
    ends_at_zero, count = bool(sigmas[-1] == 0), len(sigmas) - 1
    known: list[Tensor] = []
    predicted, tau, added = x, 0.0, None
    for step, sigma, sigma_next in intervals(sigmas):
        denoised = predict(denoise, predicted, sigma, step, callback)
        known = [*known, denoised][-max(predictor_order, corrector_order, 1) :]
        correct_with = 0 if step == 0 or (sigma_next == 0 and not use_pece) else min(corrector_order, len(known))
        predict_with = min(predictor_order, len(known))
        if ends_at_zero:
            correct_with, predict_with = min(correct_with, count - step), min(predict_with, count - 1 - step)
        if correct_with == 0:
            x = predicted
        else:
            adams = _Adams(sigmas, lambdas, step - 1, tau, simple_order_2)
            x = adams.step(x, known[-correct_with:], step)
            if added is not None:
                x = x + added
            if use_pece:
                denoised = denoise(x, sigma)
                known[-1] = denoised
        if sigma_next == 0:
            return denoised
        tau = eta if eta > 0 and begin >= sigma_next.item() >= finish else 0.0
        adams = _Adams(sigmas, lambdas, step, tau, simple_order_2)
        predicted, added = adams.step(x, known[-predict_with:], step), None
        if tau > 0 and s_noise > 0:
            added = step_noise(sigma, sigma_next) * (adams.noise_deviation() * s_noise)
            predicted = predicted + added
    return predicted


def sample_sa_solver_pece(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    callback: StepCallback | None = None,
    eta: float = 1.0,
    sde_start_sigma: float | None = None,
    sde_end_sigma: float | None = None,
    s_noise: float = 1.0,
    predictor_order: int = 3,
    corrector_order: int = 4,
    simple_order_2: bool = False,
) -> Tensor:
    """SA-Solver that evaluates after the corrector, too."""
    return sample_sa_solver(
        denoise,
        x,
        sigmas,
        callback=callback,
        eta=eta,
        sde_start_sigma=sde_start_sigma,
        sde_end_sigma=sde_end_sigma,
        s_noise=s_noise,
        predictor_order=predictor_order,
        corrector_order=corrector_order,
        use_pece=True,
        simple_order_2=simple_order_2,
    )


@dataclass(frozen=True, slots=True)
class _Adams:
    """The step from level ``start`` to the next one, at stochasticity ``tau``."""

    sigmas: Tensor
    lambdas: Tensor
    start: int
    tau: float
    simple_order_2: bool

    @property
    def h(self) -> Tensor:
        return self.lambdas[self.start + 1] - self.lambdas[self.start]

    def noise_deviation(self) -> Tensor:
        """The noise's standard deviation at the end of the step."""
        return self.sigmas[self.start + 1] * (-(-2 * self.tau**2 * self.h).expm1()).sqrt()

    def step(self, x: Tensor, predictions: list[Tensor], newest: int) -> Tensor:
        """``x`` a step on, without noise, from predictions (oldest first) of which the last is level ``newest``'s."""
        decay = self.sigmas[self.start + 1] / self.sigmas[self.start] * (-(self.tau**2) * self.h).exp()
        nodes = self.lambdas[newest - len(predictions) + 1 : newest + 1]
        corrects = newest > self.start
        if self.simple_order_2 and len(predictions) == 2:
            weights = self._simple_weights(nodes, corrects)
        else:
            weights = self._weights(nodes)
        alpha = signal(self.sigmas[self.start + 1], self.lambdas[self.start + 1])
        x = decay * x
        for weight, prediction in zip(weights, predictions, strict=True):
            x = x + alpha * weight * prediction
        return x

    def _weights(self, nodes: Tensor) -> list[Tensor]:
        """Integrals of the Lagrange polynomials at ``nodes``, against the exponential kernel."""
        powers = torch.vander(nodes.double(), len(nodes), increasing=True).T
        return list(torch.linalg.solve(powers, self._moments(len(nodes))).float())

    def _moments(self, count: int) -> Tensor:
        """1 + tau**2 = kappa times the integral of exp(kappa (l - end)) l**p over the step, for p < ``count``.

        By parts: moment p = end**p - start**p exp(-kappa h) - p / kappa * moment p - 1.
        """
        kappa = 1 + self.tau**2
        start, end = self.lambdas[self.start].double(), self.lambdas[self.start + 1].double()
        shrink = (-kappa * (end - start)).exp()
        moments = [1 - shrink]
        for p in range(1, count):
            moments.append(end**p - start**p * shrink - p / kappa * moments[-1])
        return torch.stack(moments)

    def _simple_weights(self, nodes: Tensor, corrects: bool) -> list[Tensor]:
        kappa, h = 1 + self.tau**2, self.h
        total = -(-h * kappa).expm1()
        if corrects:
            newest = 0.5 * kappa * h
            return [total - newest, newest]
        older = 0.5 * kappa * h**2 / (nodes[0] - self.lambdas[self.start])
        return [older, total - older]
