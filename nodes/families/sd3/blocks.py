"""The blocks of Stable Diffusion 3's transformer, with one or two attentions."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from nodes.diffusion.kernels.choice import Mix


def joint_block(block: Any, image: Tensor, text: Tensor, time: Tensor, mix: Mix) -> tuple[Tensor, Tensor]:
    """One diffusers ``JointTransformerBlock`` on the picture's and the text's tokens, [batch, tokens, width]; both.

    ``time``: the activated embedding, [batch, 1, width]. The last block leaves the text as it is.
    """
    shift_in, scale_in, gate_in, shift_out, scale_out, gate_out, *second = block.norm1.linear(time).chunk(
        6 if block.attn2 is None else 9, dim=-1
    )
    plain = block.norm1.norm(image)
    normed = torch.addcmul(shift_in, plain, 1 + scale_in)
    text_parts = _text_modulations(block, time)
    normed_text = torch.addcmul(text_parts[0], block.norm1_context.norm(text), 1 + text_parts[1])
    mixed = _joint_attention(block.attn, normed, normed_text, mix)
    length = text.shape[1]
    image = torch.addcmul(image, gate_in, block.attn.to_out[0](mixed[:, length:]))
    if second:
        shift, scale, gate = second
        image = torch.addcmul(image, gate, _self_attention(block.attn2, torch.addcmul(shift, plain, 1 + scale), mix))
    widened = block.ff(torch.addcmul(shift_out, block.norm2(image), 1 + scale_out))
    image = torch.addcmul(image, gate_out, widened)
    if block.context_pre_only:
        return image, text
    _, _, gate_in, shift_out, scale_out, gate_out = text_parts
    text = torch.addcmul(text, gate_in, block.attn.to_add_out(mixed[:, :length]))
    widened = block.ff_context(torch.addcmul(shift_out, block.norm2_context(text), 1 + scale_out))
    return image, torch.addcmul(text, gate_out, widened)


def _text_modulations(block: Any, time: Tensor) -> tuple[Tensor, ...]:
    """Shift, scale and gate of the attention, then of the feed-forward part; the last block has the first two."""
    parts: tuple[Tensor, ...] = block.norm1_context.linear(time).chunk(2 if block.context_pre_only else 6, dim=-1)
    return (parts[1], parts[0]) if block.context_pre_only else parts


def _joint_attention(attention: Any, image: Tensor, text: Tensor, mix: Mix) -> Tensor:
    """Text and picture attend to both; [batch, text and picture tokens, width] before the projections out."""
    q, k, v = (
        torch.unflatten(torch.cat([of_text(text), of_image(image)], dim=1), -1, (attention.heads, -1)).transpose(1, 2)
        for of_text, of_image in (
            (attention.add_q_proj, attention.to_q),
            (attention.add_k_proj, attention.to_k),
            (attention.add_v_proj, attention.to_v),
        )
    )
    if attention.norm_q is not None:
        length = text.shape[1]
        q = torch.cat([attention.norm_added_q(q[:, :, :length]), attention.norm_q(q[:, :, length:])], dim=2)
        k = torch.cat([attention.norm_added_k(k[:, :, :length]), attention.norm_k(k[:, :, length:])], dim=2)
    return mix(q, k, v).transpose(1, 2).flatten(2)


def _self_attention(attention: Any, image: Tensor, mix: Mix) -> Tensor:
    q, k, v = (
        project(image).unflatten(-1, (attention.heads, -1)).transpose(1, 2)
        for project in (attention.to_q, attention.to_k, attention.to_v)
    )
    if attention.norm_q is not None:
        q, k = attention.norm_q(q), attention.norm_k(k)
    return attention.to_out[0](mix(q, k, v).transpose(1, 2).flatten(2))  # type: ignore[no-any-return]
