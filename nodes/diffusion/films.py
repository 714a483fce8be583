"""Films as sequences of tokens: patches of each frame, places of tokens in time and space, waves of times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from nodes.diffusion.rotary import rotations

Grid = tuple[int, int, int]
"""Frames, rows and columns of tokens."""

_LONGEST_WAVE = 10000


def patches_of(projection: Any, film: Tensor) -> Tensor:
    """What a convolution without overlap makes of ``film``, [rows, channels, *grid], as the product that it is.

    ``projection``: an ``nn.Conv3d`` whose stride is its kernel; returns [rows, width, frames, rows, columns].
    """
    frames, rows, columns = (side // step for side, step in zip(film.shape[2:], projection.kernel_size, strict=True))
    t, y, x = projection.kernel_size
    cells = film.reshape(*film.shape[:2], frames, t, rows, y, columns, x).permute(0, 2, 4, 6, 1, 3, 5, 7)
    made = F.linear(cells.flatten(4), projection.weight.flatten(1), projection.bias)
    return made.movedim(-1, 1)


def to_film(tokens: Tensor, grid: Grid, patch: int, *, channels_first: bool = False) -> Tensor:
    """Tokens of square patches, pixels before channels or after them, to [rows, channels, frames, height, width]."""
    frames, rows, columns = grid
    count = frames * rows * columns
    cells = torch.unflatten(tokens[:, :count], 1, grid)
    if channels_first:
        cells = torch.unflatten(cells, -1, (-1, patch, patch)).permute(0, 4, 1, 2, 5, 3, 6)
    else:
        cells = torch.unflatten(cells, -1, (patch, patch, -1)).permute(0, 6, 1, 2, 4, 3, 5)
    return cells.flatten(5).flatten(3, 4)


def film_turns(grid: Grid, widths: Sequence[int], theta: float, device: torch.device) -> Tensor:
    """How far heads turn at each place of a film, see :func:`nodes.diffusion.rotary.rotations`."""
    places = torch.cartesian_prod(*(torch.arange(side, dtype=torch.float32, device=device) for side in grid))
    return rotations(places, widths, theta)


def time_waves(times: Tensor, width: int) -> Tensor:
    """Cosines and sines of ``times`` at ``width`` / 2 wave lengths: float32[*times' shape, width]."""
    half = width // 2
    rates = torch.pow(_LONGEST_WAVE, -torch.arange(half, device=times.device, dtype=torch.float32).div(half))
    angles = times.float()[..., None] * rates
    return torch.cat([angles.cos(), angles.sin()], dim=-1)
