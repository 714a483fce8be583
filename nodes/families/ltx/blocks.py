"""One block of LTX-Video's transformer, as diffusers' ``LTXVideoTransformerBlock`` has its parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nodes.diffusion.backend import current
from nodes.diffusion.kernels.sdpa import biased
from nodes.diffusion.rotary import rotate_each
from nodes.families.ltx.guides import GuideWeights, mixed

NORM_EPSILON = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Times:
    """What the network makes of noise levels: ``levels``, [levels, parts, width]; ``which``, int64[rows, tokens], the
    level that each token has. None: each row has one.
    """

    levels: Tensor
    which: Tensor | None

    def parts(self, table: Tensor) -> tuple[Tensor, ...]:
        """``table``, [parts, width], moved by the levels: [rows, 1 or tokens, width] for each part."""
        moved = table + self.levels
        if self.which is None:
            return moved[:, None].unbind(2)
        return tuple(part[self.which] for part in moved.unbind(1))


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """What all blocks of one pass are given beside their tokens.

    ``turns``: how far the film's heads turn; ``unseen``: float[rows, 1, tokens], what is added to scores of the
    prompt's tokens, where some are padding; ``guides``: how much the film's guides count.
    """

    times: Times
    turns: Tensor
    unseen: Tensor | None = None
    guides: GuideWeights | None = None

    def run(self, block: Any, tokens: Tensor, context: Tensor) -> Tensor:
        """The film's tokens after ``block``, [rows, tokens, width]."""
        shift, scale, gate, shift_out, scale_out, gate_out = self.times.parts(block.scale_shift_table)
        own = self._attend_itself(block.attn1, modulated(tokens, shift, scale))
        tokens = torch.addcmul(tokens, own, gate)
        tokens = tokens + self._attend_context(block.attn2, tokens, context)
        return torch.addcmul(tokens, block.ff(modulated(tokens, shift_out, scale_out)), gate_out)

    def _attend_itself(self, attention: Any, tokens: Tensor) -> Tensor:
        q = rotate_each(heads_of(attention, attention.norm_q(attention.to_q(tokens))), self.turns)
        k = rotate_each(heads_of(attention, attention.norm_k(attention.to_k(tokens))), self.turns)
        v = heads_of(attention, attention.to_v(tokens))
        return projected(attention, mixed(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), self.guides))

    def _attend_context(self, attention: Any, tokens: Tensor, context: Tensor) -> Tensor:
        q = heads_of(attention, attention.norm_q(attention.to_q(tokens))).transpose(1, 2)
        k = heads_of(attention, attention.norm_k(attention.to_k(context))).transpose(1, 2)
        v = heads_of(attention, attention.to_v(context)).transpose(1, 2)
        return projected(attention, current().mix(q, k, v) if self.unseen is None else biased(q, k, v, self.unseen))


def modulated(tokens: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """``tokens``, [rows, tokens, width], brought to a mean square of 1, scaled and shifted."""
    normed = torch.nn.functional.rms_norm(tokens, tokens.shape[-1:], eps=NORM_EPSILON)
    return torch.addcmul(shift, normed, 1 + scale)


def heads_of(attention: Any, tokens: Tensor) -> Tensor:
    """[rows, tokens, width] as [rows, tokens, heads, head width]."""
    return torch.unflatten(tokens, -1, (attention.heads, -1))


def projected(attention: Any, mix: Tensor) -> Tensor:
    """What heads, [rows, heads, tokens, head width], found, [rows, tokens, width]."""
    made: Tensor = attention.to_out[0](mix.transpose(1, 2).flatten(2))
    return made
