"""Noise from a seed: drawn on the CPU in float32, so that a seed gives the same picture on every device."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torchsde
from torch import Tensor

from engine.inputs import MAX_SEED

StepNoise = Callable[[Tensor, Tensor], Tensor]
"""(sigma, next sigma) -> noise of unit variance for the step between them, shaped and placed as the latent is."""

PATH_DECIMALS = 6
"""The sigmas that a Brownian path tells apart; torchsde rounds the path's ends to as many decimals."""


def generator(seed: int) -> torch.Generator:
    """A CPU generator; ``seed`` counts modulo 2**64."""
    return torch.Generator().manual_seed(seed % (MAX_SEED + 1))


def initial(shape: Sequence[int], seed: int | None, batch_index: Sequence[int] | None = None) -> Tensor:
    """The noise that sampling starts from: float32[shape], zeros if ``seed`` is None.

    ``batch_index``: item i takes the ``batch_index[i]``-th noise of the seed's sequence, so that one picture of a batch
    can be made again alone. That sequence is not the noise of a whole batch drawn at once.
    """
    return torch.zeros(tuple(shape)) if seed is None else drawn(shape, generator(seed), batch_index)


def drawn(shape: Sequence[int], source: torch.Generator, batch_index: Sequence[int] | None = None) -> Tensor:
    """Like :func:`initial`, from a generator, which is left where the noise ends."""
    if batch_index is None:
        return torch.randn(tuple(shape), generator=source)
    wanted = set(batch_index)
    items: dict[int, Tensor] = {}
    for place in range(max(wanted) + 1):
        noise = torch.randn((1, *shape[1:]), generator=source)
        if place in wanted:
            items[place] = noise
    return torch.cat([items[place] for place in batch_index])


def after_initial(x: Tensor, seed: int) -> Callable[[Sequence[int]], Tensor]:
    """Draws on where :func:`initial` for a latent like ``x`` stopped: shape -> float32[shape] on ``x``'s device."""
    source = generator(seed)
    torch.randn(x.shape, generator=source)
    return lambda shape: torch.randn(tuple(shape), generator=source).to(x)


def inpainting(shape: Sequence[int], seed: int) -> Tensor:
    """Other noise than the initial one for what lies outside a mask, as ``ddim`` uses it: float32[shape]."""
    return torch.randn(tuple(shape), generator=generator(seed + 1))


def independent(x: Tensor, seed: int) -> StepNoise:
    """Fresh noise at every call, whatever the sigmas.

    The sequence is the seed's own, as ComfyUI 0.3.64 has it on the CPU, so its first noise is the initial one again.
    """
    source = generator(seed)

    def draw(sigma: Tensor, sigma_next: Tensor) -> Tensor:
        return torch.randn(x.shape, generator=source).to(x)

    return draw


def brownian(x: Tensor, sigmas: Tensor, seed: int) -> StepNoise:
    """Increments of one Brownian path over sigma, scaled to unit variance.

    The path depends on the seed and on the largest and smallest positive sigma only: more steps refine the same path.
    Kidger et al. 2021 (arXiv:2105.13493). Raises ``ValueError`` if no sigma is positive.
    """
    positive = sigmas[sigmas > 0].float().cpu()
    if not len(positive):
        raise ValueError("a Brownian path needs a positive sigma")
    low, high = positive.min(), positive.max()
    tree = torchsde.BrownianTree(low, torch.zeros(x.shape), high, entropy=seed, tol=10.0**-PATH_DECIMALS)
    first, last = round(low.item(), PATH_DECIMALS), round(high.item(), PATH_DECIMALS)

    def increment(sigma: Tensor, sigma_next: Tensor) -> Tensor:
        ends = sorted(min(max(level.item(), first), last) for level in (sigma, sigma_next))
        sign = 1 if sigma < sigma_next else -1
        path: Tensor = tree(*ends)
        return (path * sign / (sigma_next - sigma).abs().sqrt()).to(x)

    return increment
