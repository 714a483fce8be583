"""ACE-Step 1.5's transformer over latents of sound; https://arxiv.org/abs/2602.00744."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from nodes.diffusion.backend import current
from nodes.diffusion.parameterization import flow
from nodes.diffusion.transformers import beside, weights_of
from nodes.diffusion.weights import WeightView
from nodes.families.ace_step15 import FAMILY, SPACE, conditions
from nodes.families.ace_step15.attention import Turns, attend, turns, window
from nodes.families.ace_step15.names import name_map
from nodes.families.ace_step15.network import PATCH, build
from nodes.hooks import Call
from nodes.values import Model

SHIFT = 3.0


@dataclass(frozen=True, slots=True)
class Variant:
    """``context_width``: of the encoded prompts that the network reads."""

    context_width: int


def load(view: WeightView) -> Model:
    """The model in ``view``."""
    weights = weights_of("ace_step15", view, lambda: build(view), name_map)
    width = view.shape("encoder.text_projector.weight")[1]
    return Model(weights, FAMILY, flow(SHIFT, multiplier=1.0), SPACE, Variant(width))


def step(module: Any, x: Tensor, timestep: Tensor, inputs: Mapping[str, Any], call: Call) -> Tensor:
    """The velocity (noise - sound) of ``x``, [rows, 64, cells], of any length.

    ``inputs``: ``context``, ``lyrics`` (encoded, [rows, tokens, width]), ``timbre`` (a sound's latent, [rows, 64,
    cells]), ``codes`` (int64[rows, codes]) where a language model wrote any, and whether it is a ``cover`` of the
    timbre's sound or ``silent`` about words.
    """
    decoder = module.decoder
    given = {name: beside(decoder.proj_in_conv.weight, value) for name, value in inputs.items()}
    cells = beside(decoder.proj_in_conv.weight, x).transpose(1, 2)
    timbre = given["timbre"].transpose(1, 2)
    context = conditions.tokens_of(module, given["context"], given["lyrics"], timbre)
    if given["silent"]:
        context = conditions.unconditional(module, context)
    source = _source(module, given, timbre, cells.shape[1])
    latent = torch.cat([source, torch.ones_like(cells), cells], dim=-1)
    return _denoised(decoder, latent, decoder.condition_embedder(context), timestep).transpose(1, 2)


def _source(module: Any, given: Mapping[str, Any], timbre: Tensor, cells: int) -> Tensor:
    """What each cell of the latent is to become, roughly."""
    if (codes := given.get("codes")) is not None:
        return conditions.hints_of_codes(module, codes.to(timbre.device), cells)
    return conditions.hints_of_sound(module, timbre) if given["cover"] else timbre


def _denoised(decoder: Any, latent: Tensor, context: Tensor, timestep: Tensor) -> Tensor:
    time, shifts = _time(decoder, timestep.to(latent.device, latent.dtype))
    tokens = decoder.proj_in_conv(F.pad(latent, (0, 0, 0, -latent.shape[1] % PATCH)).transpose(1, 2)).transpose(1, 2)
    turned, near = turns(tokens.shape[1], tokens), window(tokens.shape[1], tokens)
    best = current().best(_block)
    for number, layer in enumerate(decoder.layers):
        tokens = best(layer, tokens, shifts, context, turned, None if number % 2 else near)
    shift, scale = (decoder.scale_shift_table + time[:, None]).chunk(2, dim=1)
    tokens = decoder.norm_out(tokens) * (1 + scale) + shift
    made: Tensor = decoder.proj_out_conv(tokens.transpose(1, 2)).transpose(1, 2)[:, : latent.shape[1]]
    return made


def _time(decoder: Any, timestep: Tensor) -> tuple[Tensor, Tensor]:
    """The embedding of the time, and of the step's length, which is 0 here: [rows, width] and [rows, 6, width]."""
    time, shifts = decoder.time_embed(timestep)
    length, more = decoder.time_embed_r(torch.zeros_like(timestep))
    return time + length, shifts + more


def _block(layer: Any, x: Tensor, shifts: Tensor, context: Tensor, turned: Turns, near: Tensor | None) -> Tensor:
    shift, scale, gate, shift_mlp, scale_mlp, gate_mlp = (layer.scale_shift_table + shifts).chunk(6, dim=1)
    x = x + gate * attend(layer.self_attn, layer.self_attn_norm(x) * (1 + scale) + shift, turned, seen=near)
    x = x + attend(layer.cross_attn, layer.cross_attn_norm(x), context=context)
    made: Tensor = x + gate_mlp * layer.mlp(layer.mlp_norm(x) * (1 + scale_mlp) + shift_mlp)
    return made
