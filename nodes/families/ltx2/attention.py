"""Attention of LTX-2, as diffusers' ``LTX2Attention`` has its parts: heads may be gated, keys turned otherwise."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from nodes.diffusion.rotary import rotate_each, rotate_halves
from nodes.families.ltx.blocks import heads_of
from nodes.families.ltx.guides import GuideWeights, mixed


def attend(
    attention: Any,
    tokens: Tensor,
    context: Tensor | None = None,
    *,
    turns: Tensor | None = None,
    context_turns: Tensor | None = None,
    split: bool = True,
    guides: GuideWeights | None = None,
) -> Tensor:
    """What ``tokens``, [rows, tokens, width], find in ``context``, or in themselves.

    ``turns``: of both, or of ``tokens`` where ``context_turns`` are given; ``split``: halves of heads turn together.
    """
    seen = tokens if context is None else context
    q = heads_of(attention, attention.norm_q(attention.to_q(tokens)))
    k = heads_of(attention, attention.norm_k(attention.to_k(seen)))
    v = heads_of(attention, attention.to_v(seen))
    if turns is not None:
        rotate = rotate_halves if split else rotate_each
        q, k = rotate(q, turns), rotate(k, turns if context_turns is None else context_turns)
    found = mixed(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), guides).transpose(1, 2)
    if attention.to_gate_logits is not None:
        found = found * (2.0 * torch.sigmoid(attention.to_gate_logits(tokens)))[..., None]
    made: Tensor = attention.to_out[0](found.flatten(2))
    return made
