"""Stable Diffusion 3's transformer: text and picture attend jointly in every block; Esser et al. 2024, 2403.03206."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import SD3Transformer2DModel
from torch import Tensor

from engine.errors import InputInvalid, ModelUnreadable
from nodes.diffusion.backend import current
from nodes.diffusion.block_hooks import State, through
from nodes.diffusion.double_stream import Residuals, with_residual
from nodes.diffusion.parameterization import flow
from nodes.diffusion.tokens import grid_size, padded, to_latent
from nodes.diffusion.transformers import weights_of
from nodes.diffusion.weights import WeightView
from nodes.families.sd3 import FAMILY
from nodes.families.sd3.blocks import joint_block
from nodes.families.sd3.names import name_map
from nodes.families.sd3.variant import PATCH, SD3Variant
from nodes.hooks import Call, HookSite
from nodes.values import Model

HEAD_WIDTH = 64
SHIFT = 3.0
PIXELS = 8  # rows and columns of a picture in a latent pixel


def load(view: WeightView) -> Model:
    """The model in ``view``, in its authors' layout or diffusers'."""
    config = configuration(view)
    weights = weights_of("sd3", view, lambda: SD3Transformer2DModel(**config), name_map)
    return Model(weights, FAMILY, flow(SHIFT, 1000.0), FAMILY.space, SD3Variant(config["joint_attention_dim"]))


def configuration(view: WeightView) -> dict[str, Any]:
    """What ``SD3Transformer2DModel`` is made with, read from the shapes of its tensors in either layout."""

    def shape(*names: str) -> tuple[int, ...]:
        found = next((name for name in names if name in view), names[0])
        if found not in view:
            raise ModelUnreadable(
                f"model file '{view.file.path.name}' is no complete Stable Diffusion 3: it lacks '{found}'"
            )
        return view.shape(found)

    width, channels, patch, _ = shape("x_embedder.proj.weight", "pos_embed.proj.weight")
    side = round(math.sqrt(shape("pos_embed", "pos_embed.pos_embed")[1]))
    layers = max(view.count("joint_blocks"), view.count("transformer_blocks"))
    normed = ("joint_blocks.0.x_block.attn.ln_q.weight", "transformer_blocks.0.attn.norm_q.weight")
    return {
        "sample_size": side * patch,
        "patch_size": patch,
        "in_channels": channels,
        "out_channels": shape("final_layer.linear.weight", "proj_out.weight")[0] // patch**2,
        "num_layers": layers,
        "attention_head_dim": HEAD_WIDTH,
        "num_attention_heads": width // HEAD_WIDTH,
        "joint_attention_dim": shape("context_embedder.weight")[1],
        "caption_projection_dim": width,
        "pooled_projection_dim": shape("y_embedder.mlp.0.weight", "time_text_embed.text_embedder.linear_1.weight")[1],
        "pos_embed_max_size": side,
        "qk_norm": "rms_norm" if any(name in view for name in normed) else None,
        "dual_attention_layers": tuple(number for number in range(layers) if _is_dual(view, number)),
    }


def _is_dual(view: WeightView, number: int) -> bool:
    return f"joint_blocks.{number}.x_block.attn2.qkv.weight" in view or (
        f"transformer_blocks.{number}.attn2.to_q.weight" in view
    )


def step(module: Any, x: Tensor, timestep: Tensor, inputs: Mapping[str, Any], call: Call) -> Tensor:
    """The velocity (noise - picture) of ``x``, [rows, 16, height, width], of any height and width.

    ``inputs``: ``context`` [rows, tokens, width] and ``pooled`` [rows, width].
    """
    weight = module.proj_out.weight
    x, context, pooled = (given.to(weight.device, weight.dtype) for given in (x, inputs["context"], inputs["pooled"]))
    image = module.pos_embed.proj(padded(x, PATCH)).flatten(2).transpose(1, 2) + _positions(module, x)
    text = module.context_embedder(context)
    time = F.silu(_embed_time(module.time_text_embed, timestep, pooled))[:, None]
    size = (x.shape[-2], x.shape[-1])
    added = call.control if isinstance(call.control, Residuals) else Residuals()
    backend, wrappers = current(), call.patches.around_block
    for number, block in enumerate(module.transformer_blocks):

        def run(state: State, block: Any = block) -> State:
            made = backend.best(joint_block)(block, state["image"], state["text"], time, backend.mix)
            return {"image": made[0], "text": made[1]}

        site = HookSite("double", number, 0, size, call.rows, call.sigma)
        state = through(wrappers, run, {"image": image, "text": text}, site)
        image, text = with_residual(state["image"], added.doubles, number), state["text"]
    scale, shift = module.norm_out.linear(time).chunk(2, dim=-1)
    made = module.proj_out(torch.addcmul(shift, module.norm_out.norm(image), 1 + scale))
    return to_latent(made, size, PATCH, "pixels first")


def _embed_time(embed: Any, timestep: Tensor, pooled: Tensor) -> Tensor:
    waves = embed.time_proj(timestep.to(pooled.device)).to(pooled.dtype)
    embedding: Tensor = embed.timestep_embedder(waves) + embed.text_embedder(pooled)
    return embedding


def _positions(module: Any, x: Tensor) -> Tensor:
    """The middle of the square of learned positions, as large as the picture: [1, patches, width]."""
    table = module.pos_embed.pos_embed
    side = math.isqrt(table.shape[1])
    rows, columns = grid_size(x, PATCH)
    if max(rows, columns) > side:
        width, height, most = (count * PATCH * PIXELS for count in (columns, rows, side))
        raise InputInvalid(
            f"the picture is {width} x {height} px, and this model makes up to {most} px a side",
            input="latent_image",
            remedy="make a smaller latent",
        )
    top, left = (side - rows) // 2, (side - columns) // 2
    square = torch.unflatten(table, 1, (side, side))[:, top : top + rows, left : left + columns]
    return square.flatten(1, 2).to(x)
