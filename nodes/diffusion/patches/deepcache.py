"""DeepCache (Ma, Fang, Wang 2023, arXiv:2312.00858): the UNet's inner blocks run at every n-th noise level only."""

from __future__ import annotations

import torch
from torch import Tensor

from nodes.hooks import Hooks, NetworkPatches

_Key = tuple[int, tuple[int, ...], torch.Size]


class DeepCache:
    """One sampling call's memory of what the inner blocks made.

    Counted by noise levels, in the order in which the sampler comes to them, so that it works with every sampler: those
    that look at a level twice, between levels, or at levels of their own choice. ``interval``: at every how many levels
    the inner blocks run; ``depth``: see :class:`nodes.hooks.DeepFeatures`; ``start`` and ``end``: the first and the
    last level (counted from 0) at which they may be left out.
    """

    def __init__(self, interval: int, depth: int, start: int, end: int) -> None:
        self.depth = depth
        self._interval, self._start, self._end = interval, start, end
        self._level, self._sigma = -1, float("nan")
        self._pass = 0
        self._kept: dict[_Key, Tensor] = {}
        self._key: _Key = (0, (), torch.Size())

    def recall(self, shape: torch.Size, rows: tuple[int, ...], sigma: float) -> Tensor | None:
        """What was kept by the same pass of an earlier level, where this level may do with it."""
        if sigma != self._sigma:
            self._level, self._sigma, self._pass = self._level + 1, sigma, 0
        # A level may take several passes, for prompts that do not fit into one batch: they come in the same order.
        self._key = (self._pass, rows, shape)
        self._pass += 1
        if not self._start <= self._level <= self._end or (self._level - self._start) % self._interval == 0:
            return None
        return self._kept.get(self._key)

    def keep(self, hidden: Tensor) -> None:
        """Remember it for the levels that follow."""
        self._kept[self._key] = hidden


def deepcache(interval: int, depth: int, start: int, end: int) -> Hooks:
    """Fresh hooks for one sampling call; see :class:`DeepCache`."""
    return Hooks(network=NetworkPatches(deep=(DeepCache(interval, depth, start, end),)))
