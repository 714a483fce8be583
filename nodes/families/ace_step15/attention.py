"""Attention of ACE-Step 1.5's layers: grouped heads, normed queries and keys, turned by their position."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from nodes.diffusion.backend import current
from nodes.diffusion.kernels import sdpa
from nodes.families.ace_step15.network import HEAD_WIDTH, THETA, WINDOW

Turns = tuple[Tensor, Tensor]


def turns(tokens: int, like: Tensor) -> Turns:
    """Cosines and sines of ``tokens`` positions, [tokens, head width] each."""
    pairs = torch.arange(0, HEAD_WIDTH, 2, dtype=torch.float32, device=like.device)
    angles = torch.arange(tokens, device=like.device)[:, None] * THETA ** (-pairs / HEAD_WIDTH)
    both = torch.cat([angles, angles], dim=-1)
    return both.cos().to(like.dtype), both.sin().to(like.dtype)


def window(tokens: int, like: Tensor) -> Tensor | None:
    """What is added to the scores, [1, tokens, tokens], so that only those near count; None where all are."""
    if tokens <= WINDOW + 1:
        return None
    places = torch.arange(tokens, device=like.device)
    far = (places[:, None] - places).abs() > WINDOW
    return torch.zeros(tokens, tokens, dtype=like.dtype, device=like.device).masked_fill(far, -torch.inf)[None]


def attend(
    layer: Any, x: Tensor, turned: Turns | None = None, context: Tensor | None = None, seen: Tensor | None = None
) -> Tensor:
    """What the attention ``layer`` makes of ``x``, [rows, tokens, width], which looks at itself or at ``context``."""
    source = x if context is None else context
    queries = layer.norm_q(layer.to_q(x).unflatten(-1, (layer.heads, -1))).transpose(1, 2)
    keys = layer.norm_k(layer.to_k(source).unflatten(-1, (layer.kv_heads, -1))).transpose(1, 2)
    values = layer.to_v(source).unflatten(-1, (layer.kv_heads, -1)).transpose(1, 2)
    if turned is not None:
        queries, keys = _turn(queries, turned), _turn(keys, turned)
    groups = layer.heads // layer.kv_heads
    keys, values = keys.repeat_interleave(groups, 1), values.repeat_interleave(groups, 1)
    made = current().mix(queries, keys, values) if seen is None else sdpa.biased(queries, keys, values, seen)
    out: Tensor = layer.to_out[0](made.transpose(1, 2).flatten(2))
    return out


def encoder_layer(layer: Any, x: Tensor, turned: Turns) -> Tensor:
    """One layer of an encoder: all tokens look at all."""
    x = x + attend(layer.self_attn, layer.input_layernorm(x), turned)
    made: Tensor = x + layer.mlp(layer.post_attention_layernorm(x))
    return made


def _turn(x: Tensor, turned: Turns) -> Tensor:
    first, second = x.chunk(2, dim=-1)
    return x * turned[0] + torch.cat([-second, first], dim=-1) * turned[1]
