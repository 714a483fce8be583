"""One block of Wan's transformer, as diffusers' ``WanTransformerBlock`` has its parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nodes.diffusion.backend import current
from nodes.diffusion.rotary import rotate
from nodes.families.wan.network import HEAD_WIDTH


@dataclass(frozen=True, slots=True, eq=False)
class BlockInputs:
    """What all blocks of one pass are given beside their tokens.

    ``time``: [rows, 1 or frames, 6, width]; ``turns``: how far the film's heads turn; ``seen``: how many of the
    context's tokens, the first ones, are a picture's.
    """

    time: Tensor
    turns: Tensor
    seen: int

    def run(self, block: Any, tokens: Tensor, context: Tensor) -> Tensor:
        """The film's tokens after ``block``, [rows, tokens, width]."""
        shift, scale, gate, shift_out, scale_out, gate_out = (block.scale_shift_table[:, None] + self.time).unbind(2)
        mixed = self._attend_itself(block.attn1, modulated(block.norm1(tokens), shift, scale))
        tokens = torch.addcmul(tokens, mixed, spread(gate, tokens))
        tokens = tokens + self._attend_context(block.attn2, block.norm2(tokens), context)
        made = block.ffn(modulated(block.norm3(tokens), shift_out, scale_out))
        return torch.addcmul(tokens, made, spread(gate_out, tokens))

    def _attend_itself(self, attention: Any, tokens: Tensor) -> Tensor:
        q = rotate(_heads(attention.norm_q(attention.to_q(tokens))), self.turns)
        k = rotate(_heads(attention.norm_k(attention.to_k(tokens))), self.turns)
        return _projected(attention, _mixed(q, k, _heads(attention.to_v(tokens))))

    def _attend_context(self, attention: Any, tokens: Tensor, context: Tensor) -> Tensor:
        q, text = _heads(attention.norm_q(attention.to_q(tokens))), context[:, self.seen :]
        mixed = _mixed(q, _heads(attention.norm_k(attention.to_k(text))), _heads(attention.to_v(text)))
        if self.seen:
            picture = context[:, : self.seen]
            k = attention.norm_added_k(attention.add_k_proj(picture))
            mixed = mixed + _mixed(q, _heads(k), _heads(attention.add_v_proj(picture)))
        return _projected(attention, mixed)


def modulated(tokens: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """``tokens``, [rows, tokens, width], scaled and shifted by what is given for all or for each frame."""
    return torch.addcmul(spread(shift, tokens), tokens, 1 + spread(scale, tokens))


def spread(part: Tensor, tokens: Tensor) -> Tensor:
    """``part``, [rows, 1 or frames, width], for each of ``tokens``; frames before the film's own have the first's."""
    frames, count = part.shape[1], tokens.shape[1]
    if frames == 1:
        return part
    each = -(-count // frames)
    return part.repeat_interleave(each, dim=1)[:, :count]


def _heads(tokens: Tensor) -> Tensor:
    return torch.unflatten(tokens, -1, (-1, HEAD_WIDTH))


def _mixed(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return current().mix(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)).transpose(1, 2).flatten(2)


def _projected(attention: Any, mixed: Tensor) -> Tensor:
    made: Tensor = attention.to_out[0](mixed)
    return made
