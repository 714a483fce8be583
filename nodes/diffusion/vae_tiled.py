"""Runs a function over overlapping tiles of a picture or a film and blends what comes out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import product

import torch
from torch import Tensor

from engine.context import Context
from engine.errors import DeviceMemoryExhausted
from nodes.latent_space import LatentSpace


@dataclass(frozen=True, slots=True)
class Scale:
    """How one side changes: ``length`` of so many cells, and the ``place`` that the cell with this number comes to."""

    length: Callable[[int], int]
    place: Callable[[int], int]


def evenly(factor: float) -> Scale:
    """Each cell becomes ``factor``; below 1, several become one."""
    return Scale(lambda cells: round(cells * factor), lambda cell: round(cell * factor))


def decoded(space: LatentSpace) -> tuple[Scale, ...]:
    """The sides of what latents of ``space`` stand for; the first frame has a step of its own."""
    frames, rows, columns = space.factors
    grid = (evenly(rows), evenly(columns))
    if space.dims == 2:
        return grid
    return (Scale(lambda steps: max(0, steps * frames - frames + 1), lambda step: step * frames), *grid)


def encoded(space: LatentSpace) -> tuple[Scale, ...]:
    """The sides of latents of ``space`` for pictures or films."""
    frames, rows, columns = space.factors
    grid = (evenly(1 / rows), evenly(1 / columns))
    if space.dims == 2:
        return grid
    return (Scale(lambda length: (length + frames - 1) // frames, lambda frame: round(frame / frames)), *grid)


@dataclass(frozen=True, slots=True)
class Tiles:
    """The size of tiles along each side, and how much of that they have in common with the next."""

    sizes: tuple[int, ...]
    overlaps: tuple[int, ...]

    def count(self, whole: Tensor) -> int:
        """How often :func:`blend_tiles` calls its function."""
        return whole.shape[0] * len(list(self.starts(whole)))

    def starts(self, whole: Tensor) -> Iterator[tuple[int, ...]]:
        """Where tiles of ``whole``, [batch, channels, *grid], begin."""
        sides = zip(whole.shape[2:], self.sizes, self.overlaps, strict=True)
        return product(*(_starts(side, size, overlap) for side, size, overlap in sides))


def by_tile(ctx: Context, run: Callable[[Tensor], Tensor], count: int, what: str) -> Callable[[Tensor], Tensor]:
    """``run`` for ``count`` tiles of a ``what``: each is told as progress, and can be cancelled before it begins.

    Raises ``DeviceMemoryExhausted`` where memory does not hold a single one.
    """
    done = 0

    def step(part: Tensor) -> Tensor:
        nonlocal done
        ctx.check_cancelled()
        try:
            made = run(part)
        except torch.OutOfMemoryError as error:
            message = f"the device's memory does not hold one tile of this {what}"
            raise DeviceMemoryExhausted(message, remedy="use smaller tiles") from error
        done += 1
        ctx.progress(done, count)
        return made

    return step


def blend_tiles(run: Callable[[Tensor], Tensor], whole: Tensor, tiles: Tiles, scales: Sequence[Scale]) -> Tensor:
    """``run`` over tiles of ``whole``, [batch, channels, *grid], each weighted down towards its edges.

    What is no larger than a tile is run in one piece. ``scales``: what ``run`` does to each side. Returns [batch,
    channels out, *grid out].
    """
    return torch.cat([_blend_one(run, item, tiles, scales) for item in whole.chunk(len(whole))])


def _blend_one(run: Callable[[Tensor], Tensor], item: Tensor, tiles: Tiles, scales: Sequence[Scale]) -> Tensor:
    sides = item.shape[2:]
    if all(side <= size for side, size in zip(sides, tiles.sizes, strict=True)):
        return run(item)
    total = weights = torch.empty(0)
    feathers = [scale.length(overlap) for scale, overlap in zip(scales, tiles.overlaps, strict=True)]
    for starts in tiles.starts(item):
        part = run(_cut(item, starts, tiles.sizes))
        if not total.numel():
            grid = [scale.length(side) for scale, side in zip(scales, sides, strict=True)]
            total, weights = part.new_zeros(1, part.shape[1], *grid), part.new_zeros(1, 1, *grid)
        places = tuple(scale.place(start) for scale, start in zip(scales, starts, strict=True))
        here = _cut(total, places, part.shape[2:])
        part = _cut(part, (0,) * len(places), here.shape[2:])
        weight = _weight([_ramp(*each) for each in zip(part.shape[2:], feathers, strict=True)])
        here += part * weight
        _cut(weights, places, part.shape[2:]).add_(weight)
    return total / weights


def _cut(whole: Tensor, starts: Sequence[int], sizes: Sequence[int]) -> Tensor:
    """A view of a part of the grid, of what is there of it."""
    for axis, (start, size) in enumerate(zip(starts, sizes, strict=True), 2):
        whole = whole.narrow(axis, start, min(size, whole.shape[axis] - start))
    return whole


def _starts(side: int, tile: int, overlap: int) -> list[int]:
    """Where tiles begin along one side."""
    return list(range(0, side - overlap, tile - overlap)) if side > tile else [0]


def _weight(ramps: Sequence[Tensor]) -> Tensor:
    """The product of the weights along each side: [*grid]."""
    return reduce(lambda known, ramp: known[..., None] * ramp, ramps)


def _ramp(side: int, feather: int) -> Tensor:
    """Weights along one side of a tile: rising over ``feather`` cells, then 1, then falling likewise."""
    weights = torch.ones(side)
    if feather < side:
        rise = torch.arange(1, feather + 1) / max(feather, 1)
        weights[:feather] *= rise
        weights[side - feather :] *= rise.flip(0)
    return weights
