"""Rotary position embeddings over several axes: Su et al. 2021, https://arxiv.org/abs/2104.09864."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def rotations(positions: Tensor, widths: Sequence[int], theta: float) -> Tensor:
    """How far each pair of a head's features turns: complex64[tokens, head width / 2].

    ``positions``: [tokens, axes]; ``widths``: how many features each axis turns, in order; ``theta``: the base of the
    wave lengths.
    """
    # Angles of thousands of radians lose their fractions in float32; a GPU without float64 (MPS) has to do with it.
    wide = torch.float32 if positions.device.type == "mps" else torch.float64
    angles = [
        positions[:, axis, None].to(wide)
        * theta ** -(torch.arange(0, width, 2, device=positions.device).to(wide) / width)
        for axis, width in enumerate(widths)
    ]
    turned = torch.cat(angles, dim=-1)
    return torch.complex(turned.cos().float(), turned.sin().float())


def rotate(heads: Tensor, turns: Tensor) -> Tensor:
    """Queries or keys, [batch, tokens, heads, width], turned by ``turns``, complex64[tokens, width / 2]; same shape.

    Neighbouring features are a pair.
    """
    return rotate_each(heads, turns[:, None])


def rotate_each(heads: Tensor, turns: Tensor) -> Tensor:
    """As :func:`rotate`, with turns for each head (and row): complex64[(1 or batch,) tokens, 1 or heads, width / 2]."""
    pairs = torch.view_as_complex(torch.unflatten(heads.float(), -1, (-1, 2)))
    return torch.view_as_real(pairs * turns).flatten(-2).to(heads.dtype)


def rotate_halves(heads: Tensor, turns: Tensor) -> Tensor:
    """As :func:`rotate_each`, where a feature of a head's first half and that of its second half are a pair."""
    first, second = heads.float().chunk(2, dim=-1)
    cos, sin = turns.real, turns.imag
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1).to(heads.dtype)
