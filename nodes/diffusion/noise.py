"""Noise from a seed, in float32. The initial noise is always the CPU's; step noise is, where the settings say so."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torchsde
from torch import Tensor

from engine.computing import StepNoise as DrawnWhere
from engine.inputs import MAX_SEED

StepNoise = Callable[[Tensor, Tensor], Tensor]
"""(sigma, next sigma) -> noise of unit variance for the step between them, shaped and placed as the latent is."""

PATH_DECIMALS = 6
"""The sigmas that a Brownian path tells apart; torchsde rounds the path's ends to as many decimals."""


def generator(seed: int, device: torch.device | None = None) -> torch.Generator:
    """A generator on ``device``, or on the CPU; ``seed`` counts modulo 2**64."""
    return torch.Generator(device or "cpu").manual_seed(seed % (MAX_SEED + 1))


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


def independent(x: Tensor, seed: int, drawn_where: DrawnWhere = "device") -> StepNoise:
    """Fresh noise at every call, whatever the sigmas.

    On a CPU the sequence is that of ``seed`` + 1, since ``seed``'s own begins with the initial noise; see
    :data:`engine.computing.StepNoise`.
    """
    device = step_noise_device(x, drawn_where)
    after_initial_noise = device.type == "cpu" and drawn_where != "cpu-0.3"
    source = generator(seed + 1 if after_initial_noise else seed, device)

    def draw(sigma: Tensor, sigma_next: Tensor) -> Tensor:
        return torch.randn(x.shape, generator=source, device=device).to(x)

    return draw


def step_noise_device(x: Tensor, drawn_where: DrawnWhere) -> torch.device:
    """Where the step noise of a latent like ``x`` is drawn."""
    return x.device if drawn_where == "device" else torch.device("cpu")


def brownian(x: Tensor, sigmas: Tensor, seed: int, device: torch.device | None = None) -> StepNoise:
    """Increments of one Brownian path over sigma, scaled to unit variance; drawn on ``device``, or on the CPU.

    The path depends on the seed and on the largest and smallest positive sigma only: more steps refine the same path.
    Kidger et al. 2021 (arXiv:2105.13493). Raises ``ValueError`` if no sigma is positive.
    """
    positive = sigmas[sigmas > 0].float().cpu()
    if not len(positive):
        raise ValueError("a Brownian path needs a positive sigma")
    low, high = positive.min(), positive.max()
    start = torch.zeros(x.shape, device=device)
    tree = torchsde.BrownianTree(low, start, high, entropy=seed, tol=10.0**-PATH_DECIMALS)
    first, last = round(low.item(), PATH_DECIMALS), round(high.item(), PATH_DECIMALS)

    def increment(sigma: Tensor, sigma_next: Tensor) -> Tensor:
        ends = sorted(min(max(level.item(), first), last) for level in (sigma, sigma_next))
        sign = 1 if sigma < sigma_next else -1
        path: Tensor = tree(*ends)
        return (path * sign / (sigma_next - sigma).abs().sqrt().to(path.device)).to(x)

    return increment
