"""Guides: steps behind a film's own that the film attends to, and how strongly it does."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from nodes.diffusion.backend import current
from nodes.diffusion.kernels.sdpa import biased

Entry = Mapping[str, Any]
"""Of one guide, under ComfyUI's names: ``strength``, ``pixel_mask``, ``latent_shape`` (of those cells that it has)."""


def token_weights(entries: Sequence[Entry]) -> Tensor | None:
    """How much each of the guides' tokens counts, float32[1, tokens]; None where all count as the film's own do."""
    if all(entry["strength"] == 1.0 and entry.get("pixel_mask") is None for entry in entries):
        return None
    weights = torch.cat([_of_one(entry) for entry in entries], dim=1)
    return None if bool((weights == 1.0).all()) else weights


def _of_one(entry: Entry) -> Tensor:
    grid, mask = tuple(entry["latent_shape"]), entry.get("pixel_mask")
    if mask is None:
        return torch.full((1, math.prod(grid)), float(entry["strength"]))
    return of_cells(mask[:1], grid) * float(entry["strength"])


def of_cells(mask: Tensor, grid: Sequence[int]) -> Tensor:
    """A mask of pixels, [1, 1, frames, h, w], as means over the cells of ``grid``: [1, cells]."""
    steps, rows, columns = grid
    cells = F.interpolate(mask[0, 0, :, None].float(), size=(rows, columns), mode="area")[:, 0]
    first, rest = cells[:1], cells[1:]
    if steps == 1:
        return first.reshape(1, -1)
    if not len(rest):
        return first.expand(steps, -1, -1).reshape(1, -1)
    each = len(rest) // (steps - 1)
    if each:
        rest = torch.unflatten(rest[: each * (steps - 1)], 0, (steps - 1, each)).mean(dim=1)
    else:
        rest = rest[torch.arange(steps - 1) * len(rest) // (steps - 1)]
    return torch.cat([first, rest]).reshape(1, -1)


@dataclass(frozen=True, slots=True, eq=False)
class GuideWeights:
    """Scores between the film's tokens and its guides', the last ones, are raised by the logarithm of a weight.

    ``logarithms``: [1 or rows, guides' tokens].
    """

    logarithms: Tensor

    @classmethod
    def of(cls, weights: Tensor) -> GuideWeights:
        """``weights``: see :func:`token_weights`; a weight of 0 hides a guide."""
        lowest = torch.finfo(weights.dtype).min
        return cls(torch.where(weights > 0, weights.clamp(min=math.ulp(0.0)).log(), lowest))

    def mix(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attention of [batch, heads, tokens, head width], in two parts, so that no square of biases is needed."""
        guides = self.logarithms.shape[1]
        own = q.shape[2] - guides
        of_film = F.pad(self.logarithms, (own, 0))[:, None]
        of_guides = F.pad(self.logarithms[:, :, None].expand(-1, -1, own), (0, guides))
        return torch.cat([biased(q[:, :, :own], k, v, of_film), biased(q[:, :, own:], k, v, of_guides)], dim=2)


def mixed(q: Tensor, k: Tensor, v: Tensor, weights: GuideWeights | None) -> Tensor:
    """Attention of the film's tokens to each other."""
    return current().mix(q, k, v) if weights is None else weights.mix(q, k, v)
