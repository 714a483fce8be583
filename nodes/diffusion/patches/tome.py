"""Token merging (Bolya and Hoffman 2023, arXiv 2303.17604): similar tokens attend as one at the finest level."""

from __future__ import annotations

import math
from typing import Any

import torch
from tomesd.merge import bipartite_soft_matching_random2d
from torch import Tensor

from nodes.hooks import Attend, Hooks, HookSite, NetworkPatches

_STRIDE = 2  # one token of every 2 x 2 is kept as a target, as the paper found best


class Merging:
    """One sampling call's merges: ``ratio`` (0..1) of the queries are merged into their most similar neighbours.

    Which token of a square stays is drawn from ``source``, on the CPU, so a run repeats exactly.
    """

    def __init__(self, ratio: float, source: torch.Generator) -> None:
        self._ratio = ratio
        self._source = source

    def __call__(self, attend: Attend, q: Tensor, k: Tensor, v: Tensor, site: HookSite, _attention: Any) -> Tensor:
        """Merged queries attend to all keys; the result is spread back over the merged tokens."""
        height, width = site.latent_px
        if min(height, width) == 1 or math.ceil(math.sqrt(height * width // q.shape[1])) > 1:
            return attend(q, k, v)
        count = int(q.shape[1] * self._ratio)
        merge, spread = bipartite_soft_matching_random2d(
            q, width, height, _STRIDE, _STRIDE, count, no_rand=False, generator=self._source
        )
        merged: Tensor = spread(attend(merge(q), k, v))
        return merged


def token_merging(ratio: float, source: torch.Generator) -> Hooks:
    """Fresh hooks for one sampling call; see :class:`Merging`."""
    return Hooks(network=NetworkPatches(self_attention=(Merging(ratio, source),)))
