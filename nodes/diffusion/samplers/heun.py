"""Heun's methods: slopes at both ends of a step, averaged."""

from __future__ import annotations

from torch import Tensor

from nodes.diffusion.samplers.steps import intervals, predict, slope
from nodes.sampling_values import Denoiser, StepCallback


def sample_heun(denoise: Denoiser, x: Tensor, sigmas: Tensor, *, callback: StepCallback | None = None) -> Tensor:
    """Heun steps, an Euler step to zero: Karras et al. 2022 (arXiv:2206.00364), algorithm 1."""
    for step, sigma, sigma_next in intervals(sigmas):
        here = slope(x, sigma, predict(denoise, x, sigma, step, callback))
        width = sigma_next - sigma
        euler = x + here * width
        if sigma_next == 0:
            x = euler
            continue
        there = slope(euler, sigma_next, denoise(euler, sigma_next))
        x = x + (here + there) / 2 * width
    return x


def sample_heunpp2(denoise: Denoiser, x: Tensor, sigmas: Tensor, *, callback: StepCallback | None = None) -> Tensor:
    """Heun++ steps: the slopes one and two levels ahead weigh their level's share of the first sigma.

    The weights of https://github.com/Carzit/sd-webui-samplers-scheduler (MIT): sigma_k / (n sigma_0) for the k-th of n
    slopes, the rest for the first. The last step but one looks one level ahead, the last one none.
    """
    sigmas = sigmas.float().cpu()
    last = sigmas[-1:]
    for step, sigma, sigma_next in intervals(sigmas):
        here = slope(x, sigma, predict(denoise, x, sigma, step, callback))
        ahead = []
        if sigma_next != last:
            ahead = [sigma_next] if sigmas[step + 2] == last else [sigma_next, sigmas[step + 2]]
        total = (len(ahead) + 1) * sigmas[0]
        mixed = here * (1 - sum(level / total for level in ahead))
        at, level_before, reached = here, sigma, x
        for level in ahead:
            reached = reached + at * (level - level_before)
            at = slope(reached, level, denoise(reached, level))
            mixed = mixed + at * (level / total)
            level_before = level
        x = x + mixed * (sigma_next - sigma)
    return x
