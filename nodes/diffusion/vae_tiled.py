"""Runs a function over overlapping tiles of a picture and blends what comes out."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import torch
from torch import Tensor


def blend_tiles(
    run: Callable[[Tensor], Tensor], whole: Tensor, tile: tuple[int, int], overlap: int, scale: float
) -> Tensor:
    """``run`` over tiles of ``whole``, [batch, channels, height, width], each weighted down towards its edges.

    ``tile``: height and width; a picture no larger than that is run in one piece. ``scale``: how much larger ``run``
    makes things (8 when decoding, 1/8 when encoding). Returns [batch, channels out, height * scale, width * scale].
    """
    return torch.cat([_blend_one(run, item, tile, overlap, scale) for item in whole.chunk(len(whole))])


def count_tiles(whole: Tensor, tile: tuple[int, int], overlap: int) -> int:
    """How often :func:`blend_tiles` calls its function."""
    rows, columns = (len(_starts(side, size, overlap)) for side, size in zip(whole.shape[2:], tile, strict=True))
    return whole.shape[0] * rows * columns


def _blend_one(
    run: Callable[[Tensor], Tensor], item: Tensor, tile: tuple[int, int], overlap: int, scale: float
) -> Tensor:
    height, width = item.shape[2:]
    if height <= tile[0] and width <= tile[1]:
        return run(item)
    total = weights = torch.empty(0)
    feather = round(overlap * scale)
    for top, left in product(_starts(height, tile[0], overlap), _starts(width, tile[1], overlap)):
        part = run(item[:, :, top : top + tile[0], left : left + tile[1]])
        if not total.numel():
            shape = (1, part.shape[1], round(height * scale), round(width * scale))
            total, weights = part.new_zeros(shape), part.new_zeros((1, 1, *shape[2:]))
        weight = torch.outer(*(_ramp(side, feather) for side in part.shape[2:]))
        rows, columns = (
            slice(round(start * scale), round(start * scale) + side)
            for start, side in zip((top, left), part.shape[2:], strict=True)
        )
        total[:, :, rows, columns] += part * weight
        weights[:, :, rows, columns] += weight
    return total / weights


def _starts(side: int, tile: int, overlap: int) -> list[int]:
    """Where tiles begin along one side."""
    return list(range(0, side - overlap, tile - overlap)) if side > tile else [0]


def _ramp(side: int, feather: int) -> Tensor:
    """Weights along one side of a tile: rising over ``feather`` pixels, then 1, then falling likewise."""
    weights = torch.ones(side)
    if feather < side:
        rise = torch.arange(1, feather + 1) / max(feather, 1)
        weights[:feather] *= rise
        weights[side - feather :] *= rise.flip(0)
    return weights
