"""Runs a UNet's spatial transformers, with the attention patches of the current call around each attention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from nodes.hooks import AttentionPatch, Site, UNetPatches

PLAIN_SCORES = 2**22


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a block needs to know of the call it is part of. ``context``: [batch, tokens, width] of the prompt."""

    context: Tensor
    patches: UNetPatches
    site: Site


def transform(transformer: Any, hidden: Tensor, around: Surroundings) -> Tensor:
    """A diffusers ``Transformer2DModel`` on ``hidden``, [batch, channels, height, width]; returns the same shape."""
    batch, _, height, width = hidden.shape
    tokens: Tensor = transformer.norm(hidden)
    linear = transformer.use_linear_projection
    if not linear:
        tokens = transformer.proj_in(tokens)
    tokens = tokens.permute(0, 2, 3, 1).reshape(batch, height * width, -1)
    if linear:
        tokens = transformer.proj_in(tokens)
    for depth, layer in enumerate(transformer.transformer_blocks):
        tokens = _layer(layer, tokens, around, depth)
    if linear:
        tokens = transformer.proj_out(tokens)
    tokens = tokens.reshape(batch, height, width, -1).permute(0, 3, 1, 2).contiguous()
    if not linear:
        tokens = transformer.proj_out(tokens)
    return tokens + hidden


def _layer(layer: Any, tokens: Tensor, around: Surroundings, depth: int) -> Tensor:
    patches, context = around.patches, around.context
    site = replace(around.site, depth=depth) if depth else around.site
    normed = layer.norm1(tokens)
    tokens = _attend(layer.attn1, normed, normed, normed, patches.self_attention, site) + tokens
    tokens = _attend(layer.attn2, layer.norm2(tokens), context, context, patches.cross_attention, site) + tokens
    return layer.ff(layer.norm3(tokens)) + tokens  # type: ignore[no-any-return]


def _attend(attention: Any, q: Tensor, k: Tensor, v: Tensor, patches: Sequence[AttentionPatch], site: Site) -> Tensor:
    if not patches:
        return attend(attention, q, k, v)

    def inner(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return _attend(attention, q, k, v, patches[1:], site)

    return patches[0](inner, q, k, v, site, attention)


def attend(attention: Any, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """A diffusers ``Attention`` without masks: projections, scaled dot products, output projection.

    ``q``: [batch, tokens, width]; ``k``, ``v``: [batch, keys, width of the context].
    """
    heads = attention.heads
    queries, keys, values = (
        projected.unflatten(-1, (heads, -1)).transpose(1, 2)
        for projected in (attention.to_q(q), attention.to_k(k), attention.to_v(v))
    )
    mixed = mix(queries, keys, values)
    return attention.to_out[0](mixed.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


def mix(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Scaled dot product attention of [batch, heads, tokens, head width], without a mask.

    Where the scores are few and in float32 on the CPU, they are computed by plain matrix products: fused kernels gain
    nothing there, and ComfyUI's pictures come out to the last bit. Networks with sharp attention amplify rounding so
    much that any other order of operations gives them another picture.
    """
    scores = queries.shape[:-1].numel() * keys.shape[-2]
    if queries.device.type != "cpu" or queries.dtype != torch.float32 or scores > PLAIN_SCORES:
        return F.scaled_dot_product_attention(queries, keys, values)
    batch, _, _, width = queries.shape
    q, v = (side.flatten(0, 1) for side in (queries, values))
    k = keys.transpose(-1, -2).flatten(0, 1)
    weights = torch.baddbmm(q.new_empty(1, 1, 1), q, k, beta=0, alpha=width**-0.5).softmax(dim=-1)
    return torch.bmm(weights, v).view(batch, -1, *queries.shape[-2:])
