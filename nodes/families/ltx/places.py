"""Where tokens of a film are, in frames and pixels, and how far heads turn there."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from nodes.diffusion.films import Grid
from nodes.families.ltx.spaces import SPACE


def bounds(grid: Grid, *, causal: bool, factors: Sequence[int] = SPACE.factors) -> Tensor:
    """The first frame, row and column of each token, and those after its last: int64[1, 3, tokens, 2].

    ``causal``: the first token in time stands for one frame alone, as the VAE encodes a film's start.
    """
    starts = torch.cartesian_prod(*(torch.arange(side) for side in grid)).T
    found = torch.stack([starts, starts + 1], dim=-1) * torch.tensor(factors)[:, None, None]
    if causal:
        found[0] = (found[0] + 1 - factors[0]).clamp(min=0)
    return found[None]


def turns(
    places: Tensor, limits: Sequence[int], theta: float, width: int, heads: int, *, precise: bool = False
) -> Tensor:
    """How far each pair of features turns: complex64[rows, tokens, heads, width of a head / 2].

    ``places``: float32[rows, axes, tokens], in seconds and pixels; ``limits``: the largest place along each axis. The
    waves go over the whole ``width``, so each head has some of its own. ``precise``: wave lengths in float64.
    """
    count = len(limits)
    even = torch.linspace(0.0, 1.0, width // (2 * count), dtype=torch.float64 if precise else torch.float32)
    rates = (theta**even * math.pi / 2).to(places.device, torch.float32)
    fractions = torch.stack([places[:, axis] / limit for axis, limit in enumerate(limits)], dim=-1)
    angles = (rates * (fractions[..., None] * 2 - 1)).transpose(-1, -2).flatten(2)
    still = angles.new_zeros(*angles.shape[:2], width // 2 - angles.shape[-1])
    angles = torch.unflatten(torch.cat([still, angles], dim=-1), -1, (heads, -1))
    return torch.complex(angles.cos(), angles.sin())
