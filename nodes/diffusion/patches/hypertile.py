"""HyperTile: self-attention within tiles instead of over the whole picture (github.com/tfernd/HyperTile, MIT)."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from nodes.hooks import Attend, Hooks, HookSite, NetworkPatches
from nodes.latent_space import PIXELS_PER_LATENT


class Tiling:
    """One sampling call's tiles. They change from call to call of an attention, so that no seam stays in one place.

    ``tile_px``: smallest tile side; ``swap``: among how many tilings to choose, by draws from ``source``; ``depth``:
    how many levels below the finest are tiled; ``scale_depth``: larger tiles at coarser levels.
    """

    def __init__(self, tile_px: int, swap: int, depth: int, source: torch.Generator, *, scale_depth: bool) -> None:
        self._tile = max(32, tile_px) // PIXELS_PER_LATENT
        self._swap = swap
        self._depth = depth
        self._source = source
        self._scale_depth = scale_depth

    def __call__(self, attend: Attend, q: Tensor, k: Tensor, v: Tensor, site: HookSite, _attention: Any) -> Tensor:
        """Queries of a tile attend to as many keys as the tile has tokens, band by band in the order of tokens."""
        level = self._level(q.shape[1], site.latent_px)
        if level is None:
            return attend(q, k, v)
        height, width = token_grid(q.shape[1], site.latent_px)
        tile = self._tile * (2**level if self._scale_depth else 1)
        rows, columns = self._parts(height, tile), self._parts(width, tile)
        tiles = rows * columns
        if tiles == 1:
            return attend(q, k, v)
        keys, values = (x.reshape(x.shape[0] * tiles, -1, x.shape[-1]) for x in (k, v))
        mixed = attend(_to_tiles(q, height, width, rows, columns), keys, values)
        return _from_tiles(mixed, height, width, rows, columns)

    def _level(self, tokens: int, latent_px: tuple[int, int]) -> int | None:
        """How many times the latent was halved for so many tokens; None where that is no level to be tiled."""
        height, width = latent_px
        levels = range(self._depth + 1)
        return next((level for level in levels if tokens * 4**level == height * width), None)

    def _parts(self, side: int, least: int) -> int:
        least = min(least, side)
        divisors = [size for size in range(least, side + 1) if side % size == 0][: self._swap]
        if len(divisors) == 1:
            return side // divisors[0]
        # The largest is never drawn: recorded pictures depend on it.
        drawn = torch.randint(len(divisors) - 1, (1,), generator=self._source)
        return side // divisors[int(drawn)]


def hypertile(tile_px: int, swap: int, depth: int, source: torch.Generator, *, scale_depth: bool) -> Hooks:
    """Fresh hooks for one sampling call; see :class:`Tiling`."""
    return Hooks(
        network=NetworkPatches(self_attention=(Tiling(tile_px, swap, depth, source, scale_depth=scale_depth),))
    )


def token_grid(tokens: int, latent_px: tuple[int, int]) -> tuple[int, int]:
    """The two sides in tokens that a level of so many tokens is split by, for a latent of (height, width).

    The first side follows width / height, not height / width: recorded pictures of oblong sizes depend on it.
    """
    aspect = latent_px[1] / latent_px[0]
    first, second = round(math.sqrt(tokens * aspect)), round(math.sqrt(tokens / aspect))
    if first and tokens % first == 0:
        return first, tokens // first
    if second and tokens % second == 0:
        return tokens // second, second
    divisors = [side for side in range(2, tokens + 1) if tokens % side == 0]
    closest = min(divisors, key=lambda side: abs(tokens / side / side - aspect))
    return closest, tokens // closest


def _to_tiles(x: Tensor, height: int, width: int, rows: int, columns: int) -> Tensor:
    batch, _, channels = x.shape
    grid = x.reshape(batch, rows, height // rows, columns, width // columns, channels)
    return grid.permute(0, 1, 3, 2, 4, 5).reshape(batch * rows * columns, -1, channels)


def _from_tiles(x: Tensor, height: int, width: int, rows: int, columns: int) -> Tensor:
    channels = x.shape[-1]
    grid = x.reshape(-1, rows, columns, height // rows, width // columns, channels)
    return grid.permute(0, 1, 3, 2, 4, 5).reshape(-1, height * width, channels)
