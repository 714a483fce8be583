"""Stable Video Diffusion's UNet, as diffusers has it (arXiv:2311.15127)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import UNetSpatioTemporalConditionModel
from torch import Tensor

from nodes.diffusion.parameterization import continuous_edm
from nodes.diffusion.transformers import weights_of
from nodes.diffusion.unet_config import HEAD_WIDTH
from nodes.diffusion.weights import WeightView
from nodes.families.sd import SPACE
from nodes.families.svd import FAMILY, IDS, WAVES
from nodes.families.svd.names import levels, name_map
from nodes.hooks import Call
from nodes.values import Model

SIGMA_MIN, SIGMA_MAX = 0.002, 700.0


@dataclass(frozen=True, slots=True)
class SVDVariant:
    """``context_width``: of the encoded picture."""

    context_width: int


def load(view: WeightView) -> Model:
    """The model in ``view``, which has LDM's names."""
    config = configuration(view)
    weights = weights_of("svd", view, lambda: UNetSpatioTemporalConditionModel(**config), name_map)
    variant = SVDVariant(config["cross_attention_dim"])
    return Model(weights, FAMILY, continuous_edm("v", SIGMA_MIN, SIGMA_MAX), SPACE, variant)


def configuration(view: WeightView) -> dict[str, Any]:
    """What ``UNetSpatioTemporalConditionModel`` is made with."""
    plain = view.renamed({new: old for old, new in levels(view).items()})
    count = plain.count("down_blocks")
    widths = [plain.shape(f"down_blocks.{level}.resnets.0.conv1.weight")[0] for level in range(count)]
    attends = [plain.count(f"down_blocks.{level}.attentions") > 0 for level in range(count)]
    down = ["CrossAttnDownBlockSpatioTemporal" if each else "DownBlockSpatioTemporal" for each in attends]
    up = ["CrossAttnUpBlockSpatioTemporal" if each else "UpBlockSpatioTemporal" for each in reversed(attends)]
    return {
        "in_channels": plain.shape("conv_in.weight")[1],
        "out_channels": plain.shape("conv_out.weight")[0],
        "down_block_types": tuple(down),
        "up_block_types": tuple(up),
        "block_out_channels": tuple(widths),
        "addition_time_embed_dim": WAVES,
        "projection_class_embeddings_input_dim": IDS * WAVES,
        "layers_per_block": plain.count("down_blocks.0.resnets"),
        "cross_attention_dim": plain.shape("mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight")[1],
        "transformer_layers_per_block": plain.count("mid_block.attentions.0.transformer_blocks"),
        "num_attention_heads": tuple(max(1, width // HEAD_WIDTH) for width in widths),
    }


def step(module: Any, x: Tensor, timestep: Tensor, inputs: Mapping[str, Any], call: Call) -> Tensor:
    """The velocity of ``x``, [prompts x frames, 4, height, width].

    ``inputs``: ``frames``, how many a film has; of each frame alike: ``context``, the picture as its encoder sees it,
    ``picture``, its latent, and ``ids``, frames per second, motion and noise.
    """
    weight, frames = module.conv_in.weight, inputs["frames"]

    def of_films(each: Tensor) -> Tensor:
        return each[::frames].to(weight.device)

    film = torch.cat([x, inputs["picture"].to(x)], dim=1).to(weight.device, weight.dtype)
    (made,) = module(
        torch.unflatten(film, 0, (-1, frames)),
        of_films(timestep),
        of_films(inputs["context"]).to(weight.dtype),
        of_films(inputs["ids"]),
        return_dict=False,
    )
    found: Tensor = made.flatten(0, 1)
    return found
