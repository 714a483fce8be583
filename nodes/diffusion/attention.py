"""Runs a UNet's spatial transformers, with the attention patches of the current call around each attention."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from torch import Tensor

from nodes.diffusion.backend import current
from nodes.diffusion.kernels.choice import Mix
from nodes.hooks import AttentionPatch, HookSite, NetworkPatches


@dataclass(frozen=True, slots=True)
class AttentionSite:
    """What a block needs to know of the call it is part of. ``context``: [batch, tokens, width] of the prompt."""

    context: Tensor
    patches: NetworkPatches
    site: HookSite


def transform(transformer: Any, hidden: Tensor, around: AttentionSite) -> Tensor:
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


def _layer(layer: Any, tokens: Tensor, around: AttentionSite, depth: int) -> Tensor:
    patches, backend = around.patches, current()
    around_self = patches.self_attention + patches.inner_self_attention
    if not around_self and not patches.cross_attention:
        return backend.best(plain_layer)(layer, tokens, around.context, backend.mix)
    site = replace(around.site, depth=depth) if depth else around.site
    return _in_order(
        layer,
        tokens,
        around.context,
        partial(_attend, patches=around_self, site=site),
        partial(_attend, patches=patches.cross_attention, site=site),
    )


def plain_layer(layer: Any, tokens: Tensor, context: Tensor, mix: Mix) -> Tensor:
    """One layer of a transformer without hooks: a diffusers ``BasicTransformerBlock`` on [batch, tokens, width]."""
    plain = partial(attend, mix=mix)
    return _in_order(layer, tokens, context, plain, plain)


def _in_order(
    layer: Any, tokens: Tensor, context: Tensor, to_itself: Callable[..., Tensor], to_context: Callable[..., Tensor]
) -> Tensor:
    normed = layer.norm1(tokens)
    tokens = to_itself(layer.attn1, normed, normed, normed) + tokens
    tokens = to_context(layer.attn2, layer.norm2(tokens), context, context) + tokens
    return layer.ff(layer.norm3(tokens)) + tokens  # type: ignore[no-any-return]


def _attend(
    attention: Any, q: Tensor, k: Tensor, v: Tensor, patches: Sequence[AttentionPatch], site: HookSite
) -> Tensor:
    if not patches:
        return attend(attention, q, k, v)

    def inner(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return _attend(attention, q, k, v, patches[1:], site)

    return patches[0](inner, q, k, v, site, attention)


def attend(attention: Any, q: Tensor, k: Tensor, v: Tensor, mix: Mix | None = None) -> Tensor:
    """A diffusers ``Attention`` without masks: projections, scaled dot products, output projection.

    ``q``: [batch, tokens, width]; ``k``, ``v``: [batch, keys, width of the context]. ``mix``: the kernel, by default
    that of the sampling call.
    """
    heads = attention.heads
    queries, keys, values = (
        projected.unflatten(-1, (heads, -1)).transpose(1, 2)
        for projected in (attention.to_q(q), attention.to_k(k), attention.to_v(v))
    )
    mixed = (mix or current().mix)(queries, keys, values)
    return attention.to_out[0](mixed.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]
