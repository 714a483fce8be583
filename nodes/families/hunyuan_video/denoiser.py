"""HunyuanVideo's transformer: text and film in double blocks, then as one; https://arxiv.org/abs/2412.03603."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from nodes.diffusion.backend import current
from nodes.diffusion.double_stream import Joint, Modulations, run_blocks
from nodes.diffusion.films import Grid, patches_of, to_film
from nodes.diffusion.modulation import modulated
from nodes.diffusion.parameterization import flow
from nodes.diffusion.rotary import rotations
from nodes.diffusion.tokens import padded
from nodes.diffusion.transformers import beside, weights_of
from nodes.diffusion.weights import WeightView
from nodes.families.hunyuan_video import FAMILY
from nodes.families.hunyuan_video.names import name_map
from nodes.families.hunyuan_video.network import GLYPHS, PICTURE, TEXT, build, configuration
from nodes.families.hunyuan_video.spaces import SPACE, SPACE_15
from nodes.hooks import Call
from nodes.values import Model

AXES = (16, 56, 56)
THETA = 256.0
SHIFT = 7.0
GUIDANCE_SCALE = 1000.0


@dataclass(frozen=True, slots=True)
class HunyuanVideoVariant:
    """``context_width``: of the encoded prompts; ``channels``: that the network gets, noise included; ``is_later``:
    whether it is of 1.5.
    """

    context_width: int
    channels: int
    is_later: bool


def load(view: WeightView) -> Model:
    """The model in ``view``, in Tencent's names or ComfyUI's."""
    config = configuration(view)
    weights = weights_of("hunyuan_video", view, lambda: build(view), name_map)
    is_later = config["out_channels"] == SPACE_15.channels
    variant = HunyuanVideoVariant(config["text_embed_dim"], config["in_channels"], is_later)
    return Model(weights, FAMILY, flow(SHIFT), SPACE_15 if is_later else SPACE, variant, keeps_clean=True)


def step(module: Any, x: Tensor, timestep: Tensor, inputs: Mapping[str, Any], call: Call) -> Tensor:
    """The velocity (noise - film) of ``x``, [rows, channels, frames, height, width], of any size.

    ``inputs``: ``context``, [rows, tokens, width]; ``pooled``, [rows, width]; ``guidance``, [rows]; and of these what
    there is: ``beside`` (channels after the noisy ones), ``reference`` (a latent before the film), ``clean`` (the time
    that the first frame is told), ``seen`` (a picture, encoded), ``glyphs`` (words to be written, encoded).
    """
    weight = module.x_embedder.proj.weight
    given = {name: beside(weight, value) for name, value in inputs.items()}
    size, patch = x.shape, weight.shape[-1]
    grid, image, places = _embedded(module, beside(weight, x), given, patch)
    text = _texts(module, refined(module.context_embedder, given["context"], timestep), given)
    time = F.silu(_time(module.time_text_embed, timestep, given))
    first = grid[1] * grid[2] if time.shape[1] > 1 else image.shape[1]
    nowhere = torch.zeros(text.shape[1], len(AXES), device=places.device)
    turns = rotations(torch.cat([nowhere, places]), AXES, THETA)
    joint = Joint(turns, text.shape[1], first, current().mix, own_of_both=first if time.shape[1] > 1 else None)

    def of_double(number: int) -> tuple[Modulations, Modulations]:
        block = module.transformer_blocks[number]
        return block.norm1.linear(time).chunk(6, -1), block.norm1_context.linear(time[:, -1:]).chunk(6, -1)

    def of_single(number: int) -> Modulations:
        parts: Modulations = module.single_transformer_blocks[number].norm.linear(time).chunk(3, -1)
        return parts

    image = run_blocks(module, image, text, joint, of_double, of_single, call, (size[3], size[4]))
    image = image[:, -grid[0] * grid[1] * grid[2] :]
    scale, shift = module.norm_out.linear(time).chunk(2, dim=-1)
    made = module.proj_out(modulated(module.norm_out.norm(image), shift, scale, first))
    return to_film(made, grid, patch, channels_first=True)[:, :, : size[2], : size[3], : size[4]]


def refined(embedder: Any, context: Tensor, timestep: Tensor) -> Tensor:
    """The prompt's tokens, [rows, tokens, width], as the network's refiner hands them on at this time."""
    embed = embedder.time_text_embed
    waves = embed.time_proj(timestep.to(context.device)).to(context.dtype)
    time = F.silu(embed.timestep_embedder(waves) + embed.text_embedder(context.mean(dim=1)))
    tokens: Tensor = embedder.proj_in(context)
    for block in embedder.token_refiner.refiner_blocks:
        gate, gate_out = block.norm_out.linear(time)[:, None].chunk(2, dim=-1)
        tokens = tokens + _attend(block.attn, block.norm1(tokens)) * gate
        tokens = tokens + block.ff(block.norm2(tokens)) * gate_out
    return tokens


def _texts(module: Any, text: Tensor, given: Mapping[str, Any]) -> Tensor:
    """All tokens that the film's attend to beside themselves: of a picture, of words to be written, of the prompt."""
    parts = [(TEXT, text)]
    if (glyphs := given.get("glyphs")) is not None:
        parts.insert(0, (GLYPHS, module.byt5_in(glyphs)))
    if (seen := given.get("seen")) is not None:
        parts.insert(0, (PICTURE, module.vision_in(seen)))
    kinds = getattr(module, "cond_type_embedding", None)
    if kinds is None:
        return text
    return torch.cat([tokens + kinds.weight[kind] for kind, tokens in parts], dim=1)


def _attend(attention: Any, tokens: Tensor) -> Tensor:
    q, k, v = (
        torch.unflatten(project(tokens), -1, (attention.heads, -1)).transpose(1, 2)
        for project in (attention.to_q, attention.to_k, attention.to_v)
    )
    mixed: Tensor = attention.to_out[0](current().mix(q, k, v).transpose(1, 2).flatten(2))
    return mixed


def _embedded(module: Any, x: Tensor, given: Mapping[str, Any], patch: int) -> tuple[Grid, Tensor, Tensor]:
    """The film's grid of tokens; all tokens, those of a reference first; where each of them stands."""
    film = padded(x, patch)
    beside_it = given.get("beside")
    whole = film if beside_it is None else torch.cat([film, padded(beside_it, patch)], dim=1)
    planes = patches_of(module.x_embedder.proj, whole)
    grid: Grid = (planes.shape[2], planes.shape[3], planes.shape[4])
    tokens, places = planes.flatten(2).transpose(1, 2), _places(grid, x.device)
    if (reference := given.get("reference")) is not None:
        before = patches_of(module.x_embedder.proj, padded(reference, patch))
        where = _places((before.shape[2], before.shape[3], before.shape[4]), x.device)
        where[:, 0] = -1
        where[:, 2] += grid[2]
        first = before.flatten(2).transpose(1, 2).expand(tokens.shape[0], -1, -1)
        tokens, places = torch.cat([first, tokens], dim=1), torch.cat([where, places])
    return grid, tokens, places


def _places(grid: Grid, device: torch.device) -> Tensor:
    return torch.cartesian_prod(*(torch.arange(side, dtype=torch.float32, device=device) for side in grid))


def _time(embed: Any, timestep: Tensor, given: Mapping[str, Any]) -> Tensor:
    """The embedding of time, prompt and guidance, [rows, 1 or 2, width]: the first frame's own before the film's."""
    dtype, device = embed.timestep_embedder.linear_1.weight.dtype, embed.timestep_embedder.linear_1.weight.device
    clean = given.get("clean")
    times = timestep[:, None] if clean is None else torch.stack([clean.to(timestep), timestep], dim=1)
    waves = embed.time_proj(times.flatten().to(device)).to(dtype)
    time: Tensor = torch.unflatten(embed.timestep_embedder(waves), 0, times.shape)
    if (pooled := given.get("pooled")) is not None and embed.text_embedder is not None:
        width = embed.text_embedder.linear_1.weight.shape[1]
        time = time + embed.text_embedder(pooled[:, :width])[:, None]
    if (guidance := given.get("guidance")) is not None and embed.guidance_embedder is not None:
        told = embed.time_proj(guidance.to(device).float() * GUIDANCE_SCALE).to(dtype)
        time = time + embed.guidance_embedder(told)[:, None]
    return time
