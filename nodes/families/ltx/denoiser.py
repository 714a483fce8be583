"""LTX-Video's transformer: a film's cells attend to each other and to the prompt; arXiv:2501.00103."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import LTXVideoTransformer3DModel
from torch import Tensor

from nodes.diffusion.backend import current
from nodes.diffusion.block_hooks import State, through
from nodes.diffusion.parameterization import flux_flow
from nodes.diffusion.transformers import beside, weights_of
from nodes.diffusion.weights import WeightView
from nodes.families.ltx import FAMILY
from nodes.families.ltx.blocks import Block, Times
from nodes.families.ltx.guides import GuideWeights
from nodes.families.ltx.header import described
from nodes.families.ltx.names import name_map
from nodes.families.ltx.places import bounds, turns
from nodes.families.ltx.spaces import SPACE
from nodes.hooks import Call, HookSite
from nodes.values import Model

MU = 2.37
HEADS = 32
LIMITS = (20, 2048, 2048)


@dataclass(frozen=True, slots=True)
class LTXVariant:
    """What the header of a file says and its tensors do not.

    ``limits``: the largest place in time, height and width; ``causal``: whether the first step in time is one frame;
    ``per_sigma``: how much the network is told of a noise level of 1.
    """

    context_width: int
    limits: tuple[int, ...]
    theta: float
    causal: bool
    per_sigma: float


def load(view: WeightView) -> Model:
    """The model in ``view``; what its header leaves out is as in version 0.9.0."""
    config = described(view, "transformer")
    variant = LTXVariant(
        context_width=view.shape("caption_projection.linear_1.weight")[1],
        limits=tuple(config.get("positional_embedding_max_pos", LIMITS)),
        theta=float(config.get("positional_embedding_theta", 10000.0)),
        causal=bool(config.get("causal_temporal_positioning", False)),
        per_sigma=float(config.get("timestep_scale_multiplier", 1000.0)),
    )
    heads = int(config.get("num_attention_heads", HEADS))
    weights = weights_of("ltx", view, lambda: build(view, heads), name_map)
    return Model(weights, FAMILY, flux_flow(MU), SPACE, variant, keeps_clean=True)


def build(view: WeightView, heads: int) -> torch.nn.Module:
    """The network for the tensors of ``view``, which has its authors' names."""
    width, channels = view.shape("patchify_proj.weight")
    network: Any = LTXVideoTransformer3DModel(
        in_channels=channels,
        out_channels=view.shape("proj_out.weight")[0],
        num_attention_heads=heads,
        attention_head_dim=width // heads,
        cross_attention_dim=view.shape("transformer_blocks.0.attn2.to_k.weight")[1],
        num_layers=view.count("transformer_blocks"),
        caption_channels=view.shape("caption_projection.linear_1.weight")[1],
    )
    del network.rope  # positions depend on the file's header and on guides
    return network  # type: ignore[no-any-return]


def step(module: Any, x: Tensor, timestep: Tensor, inputs: Mapping[str, Any], call: Call) -> Tensor:
    """The velocity (noise - film) of ``x``, [rows, channels, frames, height, width].

    ``inputs``, as :mod:`nodes.families.ltx.sampling` makes them: ``context``, ``variant``, ``frame_rate``, and where
    there are such, ``noisy`` (how much of each cell is denoised), ``guides`` (places of the last tokens) with
    ``guide_weights``.
    """
    weight, variant = module.proj_in.weight, inputs["variant"]
    there = tokens_there(inputs)
    tokens = module.proj_in(beside(weight, x).flatten(2).transpose(1, 2)[:, there])
    context = module.caption_projection(beside(weight, inputs["context"]))
    levels, which = noise_levels(timestep, inputs.get("noisy"), weight.device)
    which = None if which is None else which[:, there]
    parts, embedded = module.time_embed(levels * variant.per_sigma, hidden_dtype=weight.dtype)
    places = places_of(x, inputs, variant.causal)[:, :, there, 0]
    block = Block(
        Times(torch.unflatten(parts, -1, (6, -1)), which),
        turns(places, variant.limits, variant.theta, tokens.shape[-1], module.transformer_blocks[0].attn1.heads),
        unseen_in(inputs.get("context_mask"), tokens),
        weights_in(inputs),
    )
    tokens = _through_blocks(module, tokens, context, block, call, (x.shape[3], x.shape[4]))
    shift, scale = Times(embedded[:, None], which).parts(module.scale_shift_table)
    made = module.proj_out(torch.addcmul(shift, module.norm_out(tokens), 1 + scale))
    return cells_of(made, there, x.shape[2:])


def tokens_there(inputs: Mapping[str, Any]) -> Tensor | slice:
    """Which cells of the latent the network gets: all, but for those between a smaller guide's."""
    noisy = inputs.get("noisy")
    if noisy is None or "guides" not in inputs or not bool((noisy[:1] < 0).any()):
        return slice(None)
    return torch.nonzero(noisy[0].flatten() >= 0)[:, 0]


def cells_of(tokens: Tensor, there: Tensor | slice, grid: Sequence[int]) -> Tensor:
    """Tokens, [rows, tokens, channels], in their cells of a latent, [rows, channels, *grid]; zeros between them."""
    if not isinstance(there, slice):
        whole = tokens.new_zeros(tokens.shape[0], math.prod(grid), tokens.shape[-1])
        whole[:, there] = tokens
        tokens = whole
    return torch.unflatten(tokens.transpose(1, 2), 2, grid)


def noise_levels(timestep: Tensor, noisy: Tensor | None, device: torch.device) -> tuple[Tensor, Tensor | None]:
    """The levels that there are, and which of them each token has: see :class:`nodes.families.ltx.blocks.Times`."""
    if noisy is None:
        return timestep.to(device), None
    times = noisy.flatten(1).to(device) * timestep[:, None].to(device)
    levels, which = torch.unique(times, return_inverse=True)
    return levels, which


def places_of(x: Tensor, inputs: Mapping[str, Any], causal: bool) -> Tensor:
    """Where tokens begin and end, float32[rows or 1, 3, tokens, 2], in seconds and pixels; guides are where they were
    put.
    """
    frames, height, width = x.shape[2:]
    places = bounds((frames, height, width), causal=causal).to(x.device, torch.float32)
    if (guides := inputs.get("guides")) is not None:
        own = places[:, :, : places.shape[2] - guides.shape[2]].expand(guides.shape[0], -1, -1, -1)
        places = torch.cat([own, guides.to(own)], dim=2)
    seconds = places[:, :1] * (1.0 / inputs["frame_rate"])
    return torch.cat([seconds, places[:, 1:]], dim=1)


def unseen_in(mask: Tensor | None, like: Tensor) -> Tensor | None:
    """What is added to scores of a prompt's tokens, [rows, 1, tokens], where ``mask`` says that some are padding."""
    if mask is None:
        return None
    return torch.zeros_like(mask, dtype=like.dtype).masked_fill(~mask, torch.finfo(like.dtype).min)[:, None].to(like)


def weights_in(inputs: Mapping[str, Any]) -> GuideWeights | None:
    """Of the guides, where they do not all count as the film's own tokens do."""
    weights = inputs.get("guide_weights")
    return None if weights is None else GuideWeights.of(weights)


def _through_blocks(
    module: Any, tokens: Tensor, context: Tensor, block: Block, call: Call, size: tuple[int, int]
) -> Tensor:
    best = current().best(Block.run)
    for number, layer in enumerate(module.transformer_blocks):

        def run(state: State, layer: Any = layer) -> State:
            return {**state, "image": best(block, layer, state["image"], state["text"])}

        here = HookSite("double", number, 0, size, call.rows, call.sigma)
        state = through(call.patches.around_block, run, {"image": tokens, "text": context}, here)
        tokens, context = state["image"], state["text"]
    return tokens
