"""Qwen-Image's transformer: text and picture in streams of their own that attend jointly; https://arxiv.org/abs/2508.02324."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from diffusers.models.transformers.transformer_qwenimage import QwenImageTransformer2DModel
from torch import Tensor

from nodes.diffusion.backend import current
from nodes.diffusion.block_hooks import State, through
from nodes.diffusion.modulation import gated, modulated
from nodes.diffusion.parameterization import flux_flow
from nodes.diffusion.references import ReferenceMethod, ReferencePosition, places, references_in, size_of
from nodes.diffusion.rotary import rotate, rotations
from nodes.diffusion.tokens import grid_positions, grid_size, to_latent, to_tokens
from nodes.diffusion.transformers import beside, weights_of
from nodes.diffusion.weights import WeightView
from nodes.families.qwen_image import FAMILY
from nodes.families.qwen_image.names import name_map
from nodes.hooks import Call, HookSite
from nodes.values import Model

HEAD_WIDTH = 128
PATCH = 2
AXES = (16, 56, 56)
THETA = 10000.0
MU = 1.15
CLEAN_REFERENCES_MARK = "__index_timestep_zero__"
LAYERED_MARK = "time_text_embed.addition_t_embedding.weight"


@dataclass(frozen=True, slots=True)
class QwenImageVariant:
    """``context_width``: of the encoded prompts; ``reference_method``: where references stand if no node says."""

    context_width: int
    reference_method: ReferenceMethod


@dataclass(frozen=True, slots=True)
class BlockResiduals:
    """What ControlNets add to the picture's tokens after each block."""

    blocks: tuple[Tensor | None, ...]


def load(view: WeightView) -> Model:
    """The model in ``view``; what references are to it is told by marks of Edit 2511 and of Layered."""
    config = configuration(view)
    weights = weights_of("qwen_image", view, lambda: QwenImageTransformer2DModel(**config), name_map)
    method: ReferenceMethod = "index_timestep_zero" if CLEAN_REFERENCES_MARK in view else "index"
    method = "negative_index" if LAYERED_MARK in view else method
    return Model(weights, FAMILY, flux_flow(MU), FAMILY.space, QwenImageVariant(config["joint_attention_dim"], method))


def configuration(view: WeightView) -> dict[str, Any]:
    """What ``QwenImageTransformer2DModel`` is made with, read from the shapes of its tensors."""
    width, patch_width = view.shape("img_in.weight")
    return {
        "patch_size": PATCH,
        "in_channels": patch_width,
        "out_channels": view.shape("proj_out.weight")[0] // PATCH**2,
        "num_layers": view.count("transformer_blocks"),
        "attention_head_dim": HEAD_WIDTH,
        "num_attention_heads": width // HEAD_WIDTH,
        "joint_attention_dim": view.shape("txt_in.weight")[1],
        "use_additional_t_cond": LAYERED_MARK in view,
    }


def step(module: Any, x: Tensor, timestep: Tensor, inputs: Mapping[str, Any], call: Call) -> Tensor:
    """The velocity (noise - picture) of ``x``, [rows, 16, frames, height, width], of any height and width.

    ``inputs``: ``context``, the encoded prompt, [rows, tokens, width]; references as :mod:`nodes.diffusion.references`
    names them. ``call.control``: :class:`BlockResiduals`.
    """
    weight = module.img_in.weight
    x, inputs = beside(weight, x), {name: beside(weight, value) for name, value in inputs.items()}
    references, method = references_in(inputs)
    context = inputs["context"]
    image, turns, count = embedded(module, x, context.shape[1], references, method)
    text = module.txt_in(module.txt_norm(context))
    # References may be told to be free of noise: their tokens then follow a second embedding of time.
    is_clean = bool(references) and method == "index_timestep_zero"
    sigma = timestep.to(x.device)
    times = torch.stack([sigma, sigma * 0] if is_clean else [sigma], dim=1)
    time = torch.unflatten(embed_time(module, times.flatten(), x.dtype), 0, (-1, times.shape[1]))
    best, added = current().best(run_block), _added(call)
    for number, block in enumerate(module.transformer_blocks):

        def run(state: State, block: Any = block) -> State:
            made = best(block, state["image"], state["text"], time, *turns, count)
            return {**state, "image": made[:, : state["image"].shape[1]], "text": made[:, state["image"].shape[1] :]}

        site = HookSite("double", number, 0, (x.shape[-2], x.shape[-1]), call.rows, call.sigma)
        state = through(call.patches.around_block, run, {"image": image, "text": text}, site)
        image, text = state["image"], state["text"]
        if number < len(added) and (more := added[number]) is not None:
            own = more.shape[1]
            image = torch.cat([image[:, :own] + more.to(image), image[:, own:]], dim=1)
    tokens = module.proj_out(module.norm_out(image[:, :count], time[:, 0]))
    return _from_frames(tokens, x.shape)


def _added(call: Call) -> tuple[Tensor | None, ...]:
    return call.control.blocks if isinstance(call.control, BlockResiduals) else ()


def embed_time(module: Any, sigma: Tensor, dtype: torch.dtype) -> Tensor:
    """The embedding of noise levels, [levels, width]; a layered model is told that none of them is an addition."""
    embed = module.time_text_embed
    embedding: Tensor = embed.timestep_embedder(embed.time_proj(sigma).to(dtype))
    return embedding + embed.addition_t_embedding.weight[0] if embed.use_additional_t_cond else embedding


def run_block(
    block: Any, image: Tensor, text: Tensor, time: Tensor, text_turns: Tensor, image_turns: Tensor, count: int
) -> Tensor:
    """One ``QwenImageTransformerBlock`` on the picture's and the text's tokens; returns both, [rows, tokens, width].

    ``time``: [rows, 1 or 2, width], the second for the picture's tokens after the first ``count``.
    """
    shift_in, scale_in, gate_in, shift_out, scale_out, gate_out = block.img_mod(time).chunk(6, dim=-1)
    text_in, text_scale_in, text_gate_in, text_out, text_scale_out, text_gate_out = block.txt_mod(time[:, :1]).chunk(
        6, dim=-1
    )
    mixed_image, mixed_text = _attend(
        block.attn,
        modulated(block.img_norm1(image), shift_in, scale_in, count),
        modulated(block.txt_norm1(text), text_in, text_scale_in, count),
        torch.cat([text_turns, image_turns]),
    )
    image = gated(image, gate_in, mixed_image, count)
    text = gated(text, text_gate_in, mixed_text, count)
    image = gated(image, gate_out, block.img_mlp(modulated(block.img_norm2(image), shift_out, scale_out, count)), count)
    text = gated(
        text, text_gate_out, block.txt_mlp(modulated(block.txt_norm2(text), text_out, text_scale_out, count)), count
    )
    return torch.cat([image, text], dim=1)


def _attend(attention: Any, image: Tensor, text: Tensor, both: Tensor) -> tuple[Tensor, Tensor]:
    def heads(tokens: Tensor, project: Any) -> Tensor:
        return project(tokens).unflatten(-1, (-1, HEAD_WIDTH))  # type: ignore[no-any-return]

    text_q = attention.norm_added_q(heads(text, attention.add_q_proj))
    text_k = attention.norm_added_k(heads(text, attention.add_k_proj))
    image_q = attention.norm_q(heads(image, attention.to_q))
    image_k = attention.norm_k(heads(image, attention.to_k))
    q = rotate(torch.cat([text_q, image_q], dim=1), both)
    k = rotate(torch.cat([text_k, image_k], dim=1), both)
    v = torch.cat([heads(text, attention.add_v_proj), heads(image, attention.to_v)], dim=1)
    mixed = current().mix(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)).transpose(1, 2).flatten(2)
    length = text.shape[1]
    return attention.to_out[0](mixed[:, length:]), attention.to_add_out(mixed[:, :length])


def embedded(
    module: Any, x: Tensor, text: int, references: list[Tensor], method: ReferenceMethod
) -> tuple[Tensor, tuple[Tensor, Tensor], int]:
    """The picture's tokens with the references' behind them, rotations (text, picture), and how many are its own."""
    tokens = [frames_to_tokens(x)]
    own = [_positions(x, ReferencePosition(0, 0, 0))]
    for latent, place in zip(references, places(map(size_of, references), method, PATCH), strict=True):
        frames = latent if latent.ndim == 5 else latent[:, :, None]
        tokens.append(frames_to_tokens(frames.expand(x.shape[0], -1, -1, -1, -1)))
        own.append(_positions(frames, place))
    start = max(grid_size(x, PATCH)) // 2
    text_places = torch.arange(start, start + text, device=x.device)[:, None].expand(-1, 3)
    turns = rotations(text_places, AXES, THETA), rotations(torch.cat(own), AXES, THETA)
    return module.img_in(torch.cat(tokens, dim=1)), turns, tokens[0].shape[1]


def _positions(latent: Tensor, place: ReferencePosition) -> Tensor:
    """Frame, row and column of each patch, counted from the middle; a single frame stands on the place's layer."""
    rows, columns = grid_size(latent, PATCH)
    grid = grid_positions(rows, columns, latent.device)
    grid += torch.tensor([place.row - rows // 2, place.column - columns // 2], device=latent.device)
    frames = latent.shape[2]
    layers = range(frames) if frames > 1 else [place.layer]
    return torch.cat([torch.cat([torch.full_like(grid[:, :1], layer), grid], dim=1) for layer in layers])


def frames_to_tokens(latent: Tensor) -> Tensor:
    frames = latent.movedim(2, 1).flatten(0, 1)
    return torch.unflatten(to_tokens(frames, PATCH), 0, (latent.shape[0], -1)).flatten(1, 2)


def _from_frames(tokens: Tensor, shape: torch.Size) -> Tensor:
    batch, _, frames, height, width = shape
    planes = to_latent(torch.unflatten(tokens, 1, (frames, -1)).flatten(0, 1), (height, width), PATCH)
    return torch.unflatten(planes, 0, (batch, frames)).movedim(1, 2)
