"""The connectors of LTX-2, which read a prompt once more before the network does."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import rms_norm

from nodes.families.ltx.blocks import NORM_EPSILON
from nodes.families.ltx.places import turns
from nodes.families.ltx2.attention import attend

LEAST = 1024
"""Tokens of a prompt with the registers behind it."""
LIMIT = 4096


def connected(connector: Any, context: Tensor, known: Tensor | None, *, theta: float, split: bool) -> Tensor:
    """``context``, [rows, tokens, width], filled up with registers to a multiple of their number, and read.

    ``known``: bool[rows, tokens], False for padding, which registers replace.
    """
    registers = connector.learnable_registers
    count = -(-max(LEAST, context.shape[1]) // len(registers)) * len(registers)
    tokens = registers.repeat(count // len(registers), 1)[None].expand(len(context), -1, -1).to(context).clone()
    length = context.shape[1]
    tokens[:, :length] = context if known is None else torch.where(known[..., None], context, tokens[:, :length])
    places = torch.arange(count, dtype=torch.float32, device=tokens.device)[None, None]
    heads = connector.transformer_blocks[0].attn1.heads
    turned = turns(places, (LIMIT,), theta, tokens.shape[-1], heads, precise=True)
    for block in connector.transformer_blocks:
        tokens = tokens + attend(block.attn1, _normed(tokens), turns=turned, split=split)
        tokens = tokens + block.ff(_normed(tokens))
    return _normed(tokens)


def _normed(tokens: Tensor) -> Tensor:
    return rms_norm(tokens, tokens.shape[-1:], eps=NORM_EPSILON)
