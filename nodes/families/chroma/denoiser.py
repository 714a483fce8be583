"""Chroma's transformer: Flux.1's blocks, modulated by what an approximator makes of the time and a block's number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from diffusers import ChromaTransformer2DModel
from diffusers.models.embeddings import get_timestep_embedding
from torch import Tensor, nn

from nodes.diffusion.double_stream import Modulations, run_blocks
from nodes.diffusion.modulation import modulated
from nodes.diffusion.parameterization import flux_flow
from nodes.diffusion.tokens import to_latent
from nodes.diffusion.transformers import quietly, weights_of
from nodes.diffusion.weights import WeightView
from nodes.families.chroma import FAMILY
from nodes.families.chroma.names import name_map
from nodes.families.flux.denoiser import HEAD_WIDTH, TIME_SCALE, sequence, shape_in, with_scales
from nodes.families.flux.variant import PATCH, FluxVariant
from nodes.hooks import Call
from nodes.values import Model


def load(view: WeightView) -> Model:
    """The model in ``view``, in its authors' layout or diffusers'."""
    config = configuration(view)
    weights = weights_of("chroma", with_scales(view), lambda: _make(config), name_map)
    variant = FluxVariant(config["joint_attention_dim"], config["in_channels"] // PATCH**2)
    return Model(weights, FAMILY, flux_flow(), FAMILY.space, variant)


def configuration(view: WeightView) -> dict[str, Any]:
    """What ``ChromaTransformer2DModel`` is made with, read from the shapes of its tensors in either layout."""
    width, in_channels = shape_in(view, "img_in.weight", "x_embedder.weight")
    hidden, channels = shape_in(view, "distilled_guidance_layer.in_proj.weight")
    return {
        "in_channels": in_channels,
        "out_channels": shape_in(view, "final_layer.linear.weight", "proj_out.weight")[0],
        "num_layers": max(view.count("double_blocks"), view.count("transformer_blocks")),
        "num_single_layers": max(view.count("single_blocks"), view.count("single_transformer_blocks")),
        "attention_head_dim": HEAD_WIDTH,
        "num_attention_heads": width // HEAD_WIDTH,
        "joint_attention_dim": shape_in(view, "txt_in.weight", "context_embedder.weight")[1],
        "approximator_num_channels": channels,
        "approximator_hidden_dim": hidden,
        "approximator_layers": view.count("distilled_guidance_layer.layers"),
    }


def _make(config: Mapping[str, Any]) -> nn.Module:
    module = quietly(lambda: ChromaTransformer2DModel(**config))
    # It holds a table that no file carries, and which is computed here.
    module.time_text_embed = nn.Identity()
    return module


def step(module: Any, x: Tensor, timestep: Tensor, inputs: Mapping[str, Any], call: Call) -> Tensor:
    """The velocity (noise - picture) of ``x``, [rows, 16, height, width], of any height and width.

    ``inputs``: as :func:`nodes.families.flux.denoiser.step` has them, without ``pooled``.
    """
    given = sequence(module, x, inputs)
    rows = _modulations(module, timestep, inputs["guidance"], given.tokens)
    doubles, singles = len(module.transformer_blocks), len(module.single_transformer_blocks)

    def part(start: int, count: int) -> Modulations:
        return torch.split(rows[:, start : start + count], 1, dim=1)

    def of_double(number: int) -> tuple[Modulations, Modulations]:
        start = 3 * singles + 6 * number
        return part(start, 6), part(start + 6 * doubles, 6)

    size = (x.shape[-2], x.shape[-1])
    image, text = module.x_embedder(given.tokens), module.context_embedder(given.context)
    image = run_blocks(module, image, text, given.joint, of_double, lambda number: part(3 * number, 3), call, size)
    own = given.joint.own
    shift, scale = part(rows.shape[1] - 2, 2)
    return to_latent(module.proj_out(modulated(module.norm_out.norm(image[:, :own]), shift, scale, own)), size, PATCH)


def _modulations(module: Any, timestep: Tensor, guidance: Tensor, like: Tensor) -> Tensor:
    """All shifts, scales, gates: single blocks', double blocks' of the picture, of the text, the last layer's."""
    approximator = module.distilled_guidance_layer
    count = 3 * len(module.single_transformer_blocks) + 12 * len(module.transformer_blocks) + 2
    channels = approximator.in_proj.weight.shape[1] // 4
    waves = [_waves(number.to(like.device) * TIME_SCALE, channels) for number in (timestep, guidance)]
    told = torch.cat(waves, dim=1)[:, None].expand(-1, count, -1)
    numbers = torch.arange(count, dtype=torch.float32, device=like.device)
    places = _waves(numbers * TIME_SCALE, 2 * channels).expand(told.shape[0], -1, -1)
    rows: Tensor = approximator(torch.cat([told, places], dim=-1).to(like.dtype))
    return rows


def _waves(numbers: Tensor, channels: int) -> Tensor:
    waves: Tensor = get_timestep_embedding(numbers, channels, flip_sin_to_cos=True, downscale_freq_shift=0)
    return waves
