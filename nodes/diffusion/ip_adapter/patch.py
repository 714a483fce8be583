"""The attention patch: what a query finds among the picture's keys is added to what it finds among the prompt's."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from nodes.diffusion.backend import current
from nodes.hooks import Attend, HookSite

ScaledBy = Literal["V only", "K+V", "K+V w/ C penalty", "K+mean(V) w/ C penalty"]
Place = tuple[str, int, int | None]
PENALTY_WIDTH = 1280.0


@dataclass(frozen=True, slots=True, eq=False)
class KeysOfPictures:
    """``keys`` and ``values`` of one attention, float32[2, tokens, width]: for positive prompts, for negative ones."""

    keys: Tensor
    values: Tensor


@dataclass(frozen=True, eq=False)
class PicturePrompt:
    """Put on a model's cross attention. ``tokens`` by place of the attention (depth None: any). ``sigmas``: the highest
    and the lowest noise level where it counts. ``mask``: float32[masks, height, width], where in the picture.
    """

    tokens: Mapping[Place, KeysOfPictures]
    sigmas: tuple[float, float]
    mask: Tensor | None = None
    _there: dict[tuple[Place, torch.device, torch.dtype], KeysOfPictures] = field(default_factory=dict)

    def __call__(self, attend: Attend, q: Tensor, k: Tensor, v: Tensor, site: HookSite, attention: Any, /) -> Tensor:
        """As :class:`nodes.hooks.AttentionPatch` says."""
        made = attend(q, k, v)
        tokens = self._at(site, q)
        highest, lowest = self.sigmas
        if tokens is None or not lowest <= site.sigma <= highest:
            return made
        each = q.shape[0] // len(site.rows)
        # Of three prompts the last one goes with the picture, too.
        order = [row if row < len(tokens.keys) else 0 for row in site.rows]
        keys, values = (part[order].repeat_interleave(each, dim=0) for part in (tokens.keys, tokens.values))
        queries = attention.to_q(q)
        q, k, v = (part.unflatten(-1, (attention.heads, -1)).transpose(1, 2) for part in (queries, keys, values))
        seen = current().mix(q, k, v).transpose(1, 2).flatten(2)
        if self.mask is not None:
            seen = seen * _spread(self.mask, site.latent_px, seen.shape[1], each).to(seen).repeat(len(site.rows), 1, 1)
        out = attention.to_out[0]
        added: Tensor = out(seen)
        return made + (added if out.bias is None else added - out.bias)

    def _at(self, site: HookSite, q: Tensor) -> KeysOfPictures | None:
        for place in ((site.stage, site.block, site.depth), (site.stage, site.block, None)):
            if (found := self.tokens.get(place)) is not None:
                key = (place, q.device, q.dtype)
                if key not in self._there:
                    self._there[key] = KeysOfPictures(found.keys.to(q), found.values.to(q))
                return self._there[key]
        return None


def scaled(tokens: KeysOfPictures, weight: float, by: ScaledBy) -> KeysOfPictures:
    """The tokens, as strong as ``weight`` says."""
    keys, values = tokens.keys, tokens.values
    if by == "V only":
        return KeysOfPictures(keys, values * weight)
    if by == "K+V":
        return KeysOfPictures(keys * weight, values * weight)
    weight *= keys.shape[-1] / PENALTY_WIDTH
    if by == "K+V w/ C penalty":
        return KeysOfPictures(keys * weight, values * weight)
    mean = values.mean(dim=1, keepdim=True)
    return KeysOfPictures(keys * weight, values - mean + mean * weight)


def _spread(mask: Tensor, latent_px: tuple[int, int], count: int, rows: int) -> Tensor:
    """The mask for ``count`` tokens, [rows, count, 1]; their grid is told from the latent's sides."""
    height, width = latent_px
    tall = int(height / math.sqrt(height * width / count))
    tall += count % tall != 0
    wide = count // tall
    fitting = F.interpolate(mask[:, None].float(), size=(tall, wide), mode="bilinear").flatten(1)
    missing = count - fitting.shape[1]
    if missing >= 0:
        fitting = F.pad(fitting, (missing // 2, missing - missing // 2))
    else:
        fitting = fitting[:, -missing // 2 : -missing // 2 + count]
    last = fitting[-1:].expand(max(rows - len(fitting), 0), -1)
    return torch.cat([fitting[:rows], last])[..., None]
