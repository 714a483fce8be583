"""Z-Image's transformer: two refiners, then one stream of text and picture; https://arxiv.org/abs/2511.22699."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from diffusers.models.transformers.transformer_z_image import ZImageTransformer2DModel
from torch import Tensor

from nodes.diffusion.backend import current
from nodes.diffusion.parameterization import flow
from nodes.diffusion.rotary import rotate, rotations
from nodes.diffusion.single_stream import Stream, run_blocks, run_refiner
from nodes.diffusion.tokens import grid_positions, grid_size, to_latent, to_tokens
from nodes.diffusion.transformers import beside, weights_of
from nodes.diffusion.weights import WeightView
from nodes.families.z_image import FAMILY
from nodes.families.z_image.names import name_map
from nodes.hooks import Call
from nodes.values import Model

HEAD_WIDTH = 128
PATCH = 2
TOKENS_MULTIPLE = 32
AXES = (32, 48, 48)
THETA = 256.0
SHIFT = 3.0


@dataclass(frozen=True, slots=True)
class ZImageVariant:
    """``context_width``: of the encoded prompts that the network reads."""

    context_width: int


def load(view: WeightView) -> Model:
    """The model in ``view``, in its authors' layout or diffusers'."""
    config = configuration(view)
    weights = weights_of("z_image", view, lambda: ZImageTransformer2DModel(**config), name_map)
    return Model(weights, FAMILY, flow(SHIFT, multiplier=1.0), FAMILY.space, ZImageVariant(config["cap_feat_dim"]))


def configuration(view: WeightView) -> dict[str, Any]:
    """What ``ZImageTransformer2DModel`` is made with, read from the shapes of its tensors in either layout."""
    embedder = next(name for name in ("x_embedder.weight", "all_x_embedder.2-1.weight") if name in view)
    width, patch_width = view.shape(embedder)
    return {
        "in_channels": patch_width // PATCH**2,
        "dim": width,
        "n_layers": view.count("layers"),
        "n_refiner_layers": view.count("noise_refiner"),
        "n_heads": width // HEAD_WIDTH,
        "n_kv_heads": width // HEAD_WIDTH,
        "cap_feat_dim": view.shape("cap_embedder.1.weight")[1],
        "axes_dims": list(AXES),
    }


def step(module: Any, x: Tensor, timestep: Tensor, inputs: Mapping[str, Any], call: Call) -> Tensor:
    """The velocity (noise - picture) of ``x``, [rows, 16, height, width], of any height and width.

    ``inputs``: ``context``, the encoded prompt, [rows, tokens, width].
    """
    embed, final = module.all_x_embedder["2-1"], module.all_final_layer["2-1"]
    x, context = beside(embed.weight, x), beside(embed.weight, inputs["context"])
    time = module.t_embedder((1 - timestep.to(x.device)) * module.t_scale).to(x.dtype)
    text = _filled(module.cap_embedder(context), module.cap_pad_token)
    image = embed(to_tokens(x, PATCH, "pixels first"))
    count = image.shape[1]
    image = _filled(image, module.x_pad_token)
    text_turns, image_turns = _turns(text.shape[1], image.shape[1], grid_size(x, PATCH), x.device)
    best = current().best(run_block)
    for block in module.context_refiner:
        text = best(block, text, text_turns)
    stream = Stream(text, image, text_turns, image_turns, time)
    stream = run_refiner(module.noise_refiner, run_block, stream, call, x)
    stream = run_blocks(module.layers, run_block, stream, call, x)
    tokens = final(stream.image[:, :count], c=time)
    return -to_latent(tokens, (x.shape[-2], x.shape[-1]), PATCH, "pixels first")


def _filled(tokens: Tensor, filler: Tensor) -> Tensor:
    """``tokens`` filled up to a multiple of 32 with the learned padding, which attention sees like the others."""
    missing = -tokens.shape[1] % TOKENS_MULTIPLE
    return torch.cat([tokens, filler.to(tokens).expand(tokens.shape[0], missing, -1)], dim=1)


def _turns(text: int, image: int, grid: tuple[int, int], device: torch.device) -> tuple[Tensor, Tensor]:
    """Text stands along the first axis from 1 on, the picture's grid behind it; the picture's padding at the origin."""
    text_places = torch.zeros(text, 3, device=device)
    text_places[:, 0] = torch.arange(1, text + 1, device=device)
    places = grid_positions(*grid, device)
    image_places = torch.zeros(image, 3, device=device)
    image_places[: len(places), 0] = text + 1
    image_places[: len(places), 1:] = places
    return rotations(text_places, AXES, THETA), rotations(image_places, AXES, THETA)


def run_block(block: Any, tokens: Tensor, turns: Tensor, time: Tensor | None = None) -> Tensor:
    """One ``ZImageTransformerBlock`` on [rows, tokens, width]; ``time`` modulates it where it takes that."""
    if time is None:
        tokens = tokens + block.attention_norm2(_attend(block.attention, block.attention_norm1(tokens), turns))
        normed: Tensor = block.ffn_norm2(block.feed_forward(block.ffn_norm1(tokens)))
        return tokens + normed
    scale_in, gate_in, scale_out, gate_out = block.adaLN_modulation(time)[:, None].chunk(4, dim=-1)
    mixed = _attend(block.attention, block.attention_norm1(tokens) * (1 + scale_in), turns)
    tokens = torch.addcmul(tokens, gate_in.tanh(), block.attention_norm2(mixed))
    widened = block.feed_forward(block.ffn_norm1(tokens) * (1 + scale_out))
    return torch.addcmul(tokens, gate_out.tanh(), block.ffn_norm2(widened))


def _attend(attention: Any, tokens: Tensor, turns: Tensor) -> Tensor:
    q, k, v = (
        project(tokens).unflatten(-1, (-1, HEAD_WIDTH)) for project in (attention.to_q, attention.to_k, attention.to_v)
    )
    q, k = rotate(attention.norm_q(q), turns), rotate(attention.norm_k(k), turns)
    mixed = current().mix(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2))
    return attention.to_out[0](mixed.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]
