"""Blocks of transformers in which text and picture have weights of their own and attend jointly, then run as one.

The multimodal diffusion transformer of Esser et al. 2024 (arXiv:2403.03206), in the form that Flux gave it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nodes.diffusion.backend import current
from nodes.diffusion.block_hooks import State, through
from nodes.diffusion.kernels import sdpa
from nodes.diffusion.kernels.choice import Mix
from nodes.diffusion.modulation import gated, modulated
from nodes.diffusion.rotary import rotate
from nodes.hooks import Call, HookSite, Stage

FLOAT16_MAX = 65504

Modulations = tuple[Tensor, ...]
"""Shifts, scales and gates, each [batch, 1 or 2, width]; see :mod:`nodes.diffusion.modulation`."""


@dataclass(frozen=True, slots=True, eq=False)
class Joint:
    """What all blocks of one pass share.

    ``turns``: rotations of text and picture together; ``text``: how many tokens the text has; ``own``: how many of the
    picture's tokens come before those that it refers to. ``mix``: the attention kernel. ``bias``: added to the
    attention's scores, [1 or batch, tokens, tokens] of text and picture together, or None. ``own_of_both``: in single
    blocks, how many of text and picture together come first, where these are not the text's and ``own``.
    """

    turns: Tensor
    text: int
    own: int
    mix: Mix
    bias: Tensor | None = None
    own_of_both: int | None = None

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attention of [batch, tokens, heads, width] each; returns [batch, tokens, heads x width]."""
        q, k, v = (side.transpose(1, 2) for side in (rotate(q, self.turns), rotate(k, self.turns), v))
        mixed = self.mix(q, k, v) if self.bias is None else sdpa.biased(q, k, v, self.bias)
        return mixed.transpose(1, 2).flatten(2)


@dataclass(frozen=True, slots=True, eq=False)
class Residuals:
    """What ControlNets add to the picture's tokens after double and single blocks, by number: [batch, tokens, width].

    An entry of None adds nothing; a tuple that is too short adds nothing to the rest.
    """

    doubles: tuple[Tensor | None, ...] = ()
    singles: tuple[Tensor | None, ...] = ()


def double_block(
    block: Any, image: Tensor, text: Tensor, of_image: Modulations, of_text: Modulations, joint: Joint
) -> tuple[Tensor, Tensor]:
    """One ``FluxTransformerBlock`` on the picture's and the text's tokens, [batch, tokens, width]; returns both.

    ``of_image``, ``of_text``: shift, scale and gate of the attention, then of the feed-forward part.
    """
    shift_in, scale_in, gate_in, shift_out, scale_out, gate_out = of_image
    text_in, text_scale_in, text_gate_in, text_out, text_scale_out, text_gate_out = of_text
    attention, own = block.attn, joint.own
    heads = (attention.heads, -1)
    normed = modulated(block.norm1.norm(image), shift_in, scale_in, own)
    normed_text = modulated(block.norm1_context.norm(text), text_in, text_scale_in, own)
    q = _both(
        attention.norm_added_q(attention.add_q_proj(normed_text).unflatten(-1, heads)),
        attention.norm_q(attention.to_q(normed).unflatten(-1, heads)),
    )
    k = _both(
        attention.norm_added_k(attention.add_k_proj(normed_text).unflatten(-1, heads)),
        attention.norm_k(attention.to_k(normed).unflatten(-1, heads)),
    )
    v = torch.unflatten(_both(attention.add_v_proj(normed_text), attention.to_v(normed)), -1, heads)
    mixed = joint.attend(q, k, v)
    image = gated(image, gate_in, attention.to_out[0](mixed[:, joint.text :]), own)
    text = gated(text, text_gate_in, attention.to_add_out(mixed[:, : joint.text]), own)
    image = gated(image, gate_out, block.ff(modulated(block.norm2(image), shift_out, scale_out, own)), own)
    widened = block.ff_context(modulated(block.norm2_context(text), text_out, text_scale_out, own))
    return image, within_float16(gated(text, text_gate_out, widened, own))


def single_block(block: Any, stream: Tensor, of_stream: Modulations, joint: Joint) -> Tensor:
    """One ``FluxSingleTransformerBlock`` on text and picture as one, [batch, tokens, width].

    ``of_stream``: shift, scale and gate.
    """
    shift, scale, gate = of_stream
    attention, own = block.attn, joint.text + joint.own if joint.own_of_both is None else joint.own_of_both
    heads = (attention.heads, -1)
    normed = modulated(block.norm.norm(stream), shift, scale, own)
    q = attention.norm_q(attention.to_q(normed).unflatten(-1, heads))
    k = attention.norm_k(attention.to_k(normed).unflatten(-1, heads))
    mixed = joint.attend(q, k, attention.to_v(normed).unflatten(-1, heads))
    both = torch.cat([mixed, block.act_mlp(block.proj_mlp(normed))], dim=-1)
    return within_float16(gated(stream, gate, block.proj_out(both), own))


def run_blocks(
    module: Any,
    image: Tensor,
    text: Tensor,
    joint: Joint,
    of_double: Callable[[int], tuple[Modulations, Modulations]],
    of_single: Callable[[int], Modulations],
    call: Call,
    latent_px: tuple[int, int],
) -> Tensor:
    """All blocks of ``module``, double then single, with what is wrapped around them and what ControlNets add.

    ``of_double`` (picture, then text), ``of_single``: the modulations of a block by its number. ``latent_px``: height
    and width of the latent. Returns the picture's tokens, with those that it refers to.
    """
    added = call.control if isinstance(call.control, Residuals) else Residuals()
    best, wrappers = current().best, call.patches.around_block

    def site(stage: Stage, number: int) -> HookSite:
        return HookSite(stage, number, 0, latent_px, call.rows, call.sigma)

    for number, block in enumerate(module.transformer_blocks):

        def double(state: State, block: Any = block, number: int = number) -> State:
            made = best(double_block)(block, state["image"], state["text"], *of_double(number), joint)
            return {"image": made[0], "text": made[1]}

        state = through(wrappers, double, {"image": image, "text": text}, site("double", number))
        image, text = with_residual(state["image"], added.doubles, number), state["text"]
    stream = torch.cat([text, image], dim=1)
    for number, block in enumerate(module.single_transformer_blocks):

        def single(state: State, block: Any = block, number: int = number) -> State:
            return {"stream": best(single_block)(block, state["stream"], of_single(number), joint)}

        stream = through(wrappers, single, {"stream": stream}, site("single", number))["stream"]
        stream = with_residual(stream, added.singles, number, joint.text)
    return stream[:, joint.text :]


def with_residual(tokens: Tensor, residuals: Sequence[Tensor | None], number: int, start: int = 0) -> Tensor:
    """``tokens`` with a block's residual added to as many of them as it has, from ``start`` on."""
    residual = residuals[number] if number < len(residuals) else None
    if residual is None:
        return tokens
    stop = start + residual.shape[1]
    return torch.cat([tokens[:, :start], tokens[:, start:stop] + residual.to(tokens), tokens[:, stop:]], dim=1)


def within_float16(tokens: Tensor) -> Tensor:
    """``tokens`` without what float16 cannot hold, where they are in that format."""
    return tokens.clamp(-FLOAT16_MAX, FLOAT16_MAX) if tokens.dtype == torch.float16 else tokens


def _both(text: Tensor, image: Tensor) -> Tensor:
    return torch.cat([text, image], dim=1)
