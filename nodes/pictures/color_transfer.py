"""Giving pictures the colours of others: by mean and spread of Lab values, or by histograms.

E. Reinhard et al., "Color Transfer between Images" (2001); F. Pitié and A. Kokaram, "The linear Monge-Kantorovitch
linear colour mapping for example-based colour transfer" (2007).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from kornia.color import lab_to_rgb, rgb_to_lab
from torch import Tensor

_LEAST = 1e-6
_LEVELS = 256
Change = Callable[[Tensor], Tensor]  # of float[3, pixels] to the same


@dataclass(frozen=True, slots=True)
class _Moments:
    """``mean``: float[3, 1]. ``spread``: standard deviations float[3, 1], or covariances float[3, 3]."""

    mean: Tensor
    spread: Tensor


def transfer(target: Tensor, reference: Tensor, method: str, source: str, frame: int, strength: float) -> Tensor:
    """float[batch, height, width, 3] with the colours of ``reference``, mixed with its own by 1 - ``strength``.

    ``source``: whose colours are changed to the reference's: each picture's own (``per_frame``), all pictures' together
    (``uniform``), or those of number ``frame`` (``target_frame``), where all pictures are changed alike.
    """
    by_histogram = method == "histogram"
    space, back = (_flat, _unflat) if by_histogram else (_lab, _rgb)
    change_for = _table if by_histogram else (_scaling if method == "reinhard_lab" else _mapping)
    targets, references = [space(one) for one in target], [space(one) for one in reference]
    shared: Change | None = None
    if source != "per_frame":
        pool = targets if source == "uniform" else [targets[min(frame, len(targets) - 1)]]
        shared = change_for(pool, references)
    made = []
    for number, own in enumerate(targets):
        change = shared or change_for([own], [references[min(number, len(references) - 1)]])
        made.append(back(torch.lerp(own, change(own), strength), target.shape[1:]))
    return torch.stack(made).clamp(0, 1)


def _lab(pixels: Tensor) -> Tensor:
    lab: Tensor = rgb_to_lab(pixels.movedim(-1, 0).unsqueeze(0)).reshape(3, -1)
    return lab


def _rgb(lab: Tensor, shape: torch.Size) -> Tensor:
    rgb: Tensor = lab_to_rgb(lab.reshape(1, 3, *shape[:2])).squeeze(0).movedim(0, -1)
    return rgb


def _flat(pixels: Tensor) -> Tensor:
    return pixels.movedim(-1, 0).reshape(pixels.shape[-1], -1)


def _unflat(values: Tensor, shape: torch.Size) -> Tensor:
    return values.reshape(shape[-1], *shape[:2]).movedim(0, -1)


def _mean(pool: list[Tensor]) -> Tensor:
    return torch.stack([one.mean(-1, keepdim=True) for one in pool]).mean(0)


def _deviations(pool: list[Tensor]) -> _Moments:
    mean = _mean(pool)
    squares = torch.stack([((one - mean) ** 2).mean(-1, keepdim=True) for one in pool]).mean(0)
    return _Moments(mean, squares.sqrt().clamp_min(_LEAST))


def _covariances(pool: list[Tensor]) -> _Moments:
    mean = _mean(pool)
    products = [(one - mean) @ (one - mean).T / one.shape[1] for one in pool]
    return _Moments(mean, torch.stack(products).mean(0))


def _scaling(source: list[Tensor], reference: list[Tensor]) -> Change:
    own, wanted = _deviations(source), _deviations(reference)
    factor = wanted.spread / own.spread
    return lambda lab: (lab - own.mean) * factor + wanted.mean


def _mapping(source: list[Tensor], reference: list[Tensor]) -> Change:
    own, wanted = _covariances(source), _covariances(reference)
    matrix = _monge_kantorovitch(own.spread, wanted.spread)
    return lambda lab: matrix @ (lab - own.mean) + wanted.mean


def _monge_kantorovitch(own: Tensor, wanted: Tensor) -> Tensor:
    """The linear map that gives values of covariance ``own`` that of ``wanted``, and moves them least."""
    values, vectors = torch.linalg.eigh(own)
    roots = values.clamp_min(0).sqrt().clamp_min(_LEAST)
    scaled = vectors * roots
    inner_values, inner = torch.linalg.eigh(scaled.T @ wanted @ scaled)
    half = inner * inner_values.clamp_min(0).sqrt() @ inner.T
    unscaled = vectors / roots
    matrix: Tensor = unscaled @ half @ unscaled.T
    return matrix


def _table(source: list[Tensor], reference: list[Tensor]) -> Change:
    """Each level becomes the one below which as many of the reference's pixels lie."""
    levels = torch.searchsorted(_share_below(reference), _share_below(source)).clamp_max(_LEVELS - 1)
    return lambda values: (levels.float() / (_LEVELS - 1)).gather(1, _bins(values))


def _share_below(pool: list[Tensor]) -> Tensor:
    counts = torch.zeros(pool[0].shape[0], _LEVELS)
    for values in pool:
        counts.scatter_add_(1, _bins(values), torch.ones_like(values))
    below = counts.cumsum(1)
    return below / below[:, -1:]


def _bins(values: Tensor) -> Tensor:
    return (values * (_LEVELS - 1)).long().clamp(0, _LEVELS - 1)
