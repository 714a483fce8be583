"""Latents of several parts, such as a film's pictures and its sound, as one tensor that samplers step with."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

Shapes = tuple[tuple[int, ...], ...]
"""Of each part: [batch, channels, *grid]."""


def pack(parts: Sequence[Tensor]) -> Tensor:
    """One part as it is; several, [batch, ...] each, as [batch, 1, numbers of all]."""
    if len(parts) == 1:
        return parts[0]
    return torch.cat([part.reshape(part.shape[0], 1, -1) for part in parts], dim=-1)


def unpack(packed: Tensor, shapes: Shapes) -> tuple[Tensor, ...]:
    """The parts again, each of its shape in ``shapes`` except for the batch, which is that of ``packed``."""
    if len(shapes) == 1:
        return (packed,)
    lengths = [math.prod(shape[1:]) for shape in shapes]
    parts = torch.split_with_sizes(packed, lengths, dim=-1)
    return tuple(part.reshape(part.shape[0], *shape[1:]) for part, shape in zip(parts, shapes, strict=True))
