"""Adaptive layer norms whose shift, scale and gate may differ between the picture's tokens and those it refers to."""

from __future__ import annotations

import torch
from torch import Tensor


def modulated(tokens: Tensor, shift: Tensor, scale: Tensor, first: int) -> Tensor:
    """``tokens``, [batch, tokens, width], scaled and shifted.

    ``shift``, ``scale``: [batch, 1 or 2, width]: with two, the second is for the tokens after the ``first`` ones.
    """
    if shift.shape[1] == 1:
        return torch.addcmul(shift, tokens, 1 + scale)
    parts = (tokens[:, :first], tokens[:, first:])
    return torch.cat(
        [torch.addcmul(shift[:, i, None], part, 1 + scale[:, i, None]) for i, part in enumerate(parts)], dim=1
    )


def gated(tokens: Tensor, gate: Tensor, added: Tensor, first: int) -> Tensor:
    """``tokens`` with ``added`` times the gate, which is [batch, 1 or 2, width] like the shift of :func:`modulated`."""
    if gate.shape[1] == 1:
        return torch.addcmul(tokens, gate, added)
    parts = ((tokens[:, :first], added[:, :first]), (tokens[:, first:], added[:, first:]))
    return torch.cat([torch.addcmul(old, gate[:, i, None], new) for i, (old, new) in enumerate(parts)], dim=1)
