"""Lumina-Image 2.0's transformer: two refiners, then one stream of text and picture; https://arxiv.org/abs/2503.21758."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from diffusers.models.transformers.transformer_lumina2 import Lumina2Transformer2DModel
from torch import Tensor

from nodes.diffusion.backend import current
from nodes.diffusion.parameterization import flow
from nodes.diffusion.rotary import rotate, rotations
from nodes.diffusion.single_stream import Stream, run_blocks, run_refiner
from nodes.diffusion.tokens import grid_positions, grid_size, to_latent, to_tokens
from nodes.diffusion.transformers import beside, weights_of
from nodes.diffusion.weights import WeightView
from nodes.families.lumina2 import FAMILY
from nodes.families.lumina2.names import name_map
from nodes.hooks import Call
from nodes.values import Model

HEAD_WIDTH = 96
PATCH = 2
AXES = (32, 32, 32)
THETA = 10000.0
SHIFT = 6.0
FEED_FORWARD_RATIO = 4  # of the module's default; the file's own is told as a multiple of it


@dataclass(frozen=True, slots=True)
class Lumina2Variant:
    """``context_width``: of the encoded prompts that the network reads."""

    context_width: int


def load(view: WeightView) -> Model:
    """The model in ``view``, in its authors' layout or diffusers'."""
    config = configuration(view)
    weights = weights_of("lumina2", view, lambda: Lumina2Transformer2DModel(**config), name_map)
    return Model(weights, FAMILY, flow(SHIFT, multiplier=1.0), FAMILY.space, Lumina2Variant(config["cap_feat_dim"]))


def configuration(view: WeightView) -> dict[str, Any]:
    """What ``Lumina2Transformer2DModel`` is made with, read from the shapes of its tensors in either layout."""
    width, patch_width = view.shape("x_embedder.weight")
    native = "layers.0.attention.qkv.weight" in view
    if native:
        keys = (view.shape("layers.0.attention.qkv.weight")[0] - width) // 2
        wide, prompt = view.shape("layers.0.feed_forward.w1.weight")[0], view.shape("cap_embedder.1.weight")[1]
    else:
        keys = view.shape("layers.0.attn.to_k.weight")[0]
        wide = view.shape("layers.0.feed_forward.linear_1.weight")[0]
        prompt = view.shape("time_caption_embed.caption_embedder.1.weight")[1]
    return {
        "patch_size": PATCH,
        "in_channels": patch_width // PATCH**2,
        "hidden_size": width,
        "num_layers": view.count("layers"),
        "num_refiner_layers": view.count("noise_refiner"),
        "num_attention_heads": width // HEAD_WIDTH,
        "num_kv_heads": keys // HEAD_WIDTH,
        "multiple_of": 1,
        "ffn_dim_multiplier": wide / (FEED_FORWARD_RATIO * width),
        "axes_dim_rope": AXES,
        "cap_feat_dim": prompt,
    }


def step(module: Any, x: Tensor, timestep: Tensor, inputs: Mapping[str, Any], call: Call) -> Tensor:
    """The velocity (noise - picture) of ``x``, [rows, 16, height, width], of any height and width.

    ``inputs``: ``context``, the encoded prompt, [rows, tokens, width].
    """
    weight, embed = module.x_embedder.weight, module.time_caption_embed
    x, context = beside(weight, x), beside(weight, inputs["context"])
    time = embed.timestep_embedder(embed.time_proj(1 - timestep.to(x.device)).to(x.dtype))
    text = embed.caption_embedder(context)
    image = module.x_embedder(to_tokens(x, PATCH, "pixels first"))
    text_turns, image_turns = _turns(text.shape[1], grid_size(x, PATCH), x.device)
    best = current().best(run_block)
    for block in module.context_refiner:
        text = best(block, text, text_turns)
    stream = Stream(text, image, text_turns, image_turns, time)
    stream = run_refiner(module.noise_refiner, run_block, stream, call, x)
    stream = run_blocks(module.layers, run_block, stream, call, x)
    tokens = module.norm_out(stream.image, time)
    return -to_latent(tokens, (x.shape[-2], x.shape[-1]), PATCH, "pixels first")


def _turns(text: int, grid: tuple[int, int], device: torch.device) -> tuple[Tensor, Tensor]:
    """Text stands along the first axis, the picture's grid behind it."""
    text_places = torch.zeros(text, 3, device=device)
    text_places[:, 0] = torch.arange(1, text + 1, device=device)
    places = grid_positions(*grid, device)
    image_places = torch.cat([torch.full_like(places[:, :1], text + 1), places], dim=1)
    return rotations(text_places, AXES, THETA), rotations(image_places, AXES, THETA)


def run_block(block: Any, tokens: Tensor, turns: Tensor, time: Tensor | None = None) -> Tensor:
    """One ``Lumina2TransformerBlock`` on [rows, tokens, width]; ``time`` modulates it where it takes that."""
    if time is None:
        tokens = tokens + block.norm2(_attend(block.attn, block.norm1(tokens), turns))
        normed: Tensor = block.ffn_norm2(block.feed_forward(block.ffn_norm1(tokens)))
        return tokens + normed
    scaled, gate_in, scale_out, gate_out = block.norm1(tokens, time)
    tokens = torch.addcmul(tokens, gate_in[:, None].tanh(), block.norm2(_attend(block.attn, scaled, turns)))
    widened = block.feed_forward(block.ffn_norm1(tokens) * (1 + scale_out[:, None]))
    return torch.addcmul(tokens, gate_out[:, None].tanh(), block.ffn_norm2(widened))


def _attend(attention: Any, tokens: Tensor, turns: Tensor) -> Tensor:
    q, k, v = (
        project(tokens).unflatten(-1, (-1, HEAD_WIDTH)) for project in (attention.to_q, attention.to_k, attention.to_v)
    )
    q, k = rotate(attention.norm_q(q), turns), rotate(attention.norm_k(k), turns)
    shared = q.shape[2] // k.shape[2]  # queries that read the same keys and values
    k, v = (side.transpose(1, 2).repeat_interleave(shared, dim=1) for side in (k, v))
    return attention.to_out[0](current().mix(q.transpose(1, 2), k, v).transpose(1, 2).flatten(2))  # type: ignore[no-any-return]
