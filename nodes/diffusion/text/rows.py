"""What all text encoders have in common: rows of tokens to vectors, weights of tokens, computing in float32."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

log = logging.getLogger(__name__)


def fitting(tokens: Sequence[int | Tensor], width: int, pad: int) -> list[int | Tensor]:
    """``tokens`` without vectors that are not ``width`` wide; as many ids ``pad`` follow instead."""
    kept = [token for token in tokens if isinstance(token, int) or token.shape[0] == width]
    if len(kept) < len(tokens):
        log.warning("an embedding was made for another text encoder (its vectors are not %d wide): left out", width)
    return kept + [pad] * (len(tokens) - len(kept))


def embedded(table: Tensor, tokens: Sequence[int | Tensor]) -> Tensor:
    """The vector of each token, float32[tokens, width]: a row of ``table`` for an id, a vector for itself."""
    ids = torch.tensor([token if isinstance(token, int) else 0 for token in tokens])
    vectors = table[ids.to(table.device)].float()
    for place, token in enumerate(tokens):
        if isinstance(token, Tensor):
            vectors[place] = token
    return vectors


def weighted(hidden: Tensor, empty: Tensor, weights: Tensor) -> Tensor:
    """``hidden`` with each token ``weights`` times as far from what the empty prompt has in its place.

    ``hidden``: [rows, tokens, width]; ``empty``: [1, tokens, width]; ``weights``: [rows, tokens].
    """
    scale = weights[:, :, None].to(hidden.device)
    return torch.where(scale == 1, hidden, (hidden - empty) * scale + empty)


def widened(part: Any, hidden: Tensor, **options: Any) -> Any:
    """``part(hidden)`` in float32, whatever its parameters are stored in; they are widened for this call alone."""
    stored = dict(part.named_parameters())
    if all(parameter.dtype == torch.float32 for parameter in stored.values()):
        return part(hidden, **options)
    wide = {name: parameter.float() for name, parameter in stored.items()}
    return torch.func.functional_call(part, wide, (hidden,), options)


def up_to(blocks: Sequence[Any], layer: int | None) -> Sequence[Any]:
    """The blocks whose last makes hidden layer ``layer``, counted from the end; all where it is None or not there."""
    depth = len(blocks)
    return blocks[: depth if layer is None or layer < -depth else depth + 1 + layer]


def up_to_end(tokens: Sequence[int | Tensor], end: int) -> list[bool]:
    """Which of the tokens are the prompt's: those up to the first ``end``, and vectors of embeddings."""
    ended, found = False, []
    for token in tokens:
        found.append(not ended or isinstance(token, Tensor))
        ended = ended or (isinstance(token, int) and token == end)
    return found


def padding_bias(rows: Sequence[Sequence[int | Tensor]], end: int) -> Tensor:
    """What is added to scores, float32[rows, 1, 1, tokens], so that nothing attends to what is behind ``end``."""
    known = torch.tensor([up_to_end(row, end) for row in rows])
    bias = torch.zeros(known.shape).masked_fill(~known, torch.finfo(torch.float32).min)
    return bias[:, None, None]
