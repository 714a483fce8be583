"""Tiny random UNets in the single-file layout, for tests of loading and running them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import save_file

from nodes.diffusion.ldm_names import ldm_names

TINY_UNETS: dict[str, dict[str, Any]] = {
    "sd15": {
        "block_out_channels": (32, 64),
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
        "attention_head_dim": 8,
        "layers_per_block": 1,
    },
    "sd2": {
        "block_out_channels": (64, 128, 128, 128),
        "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
        "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
        "attention_head_dim": (1, 2, 2, 2),
        "use_linear_projection": True,
    },
    "sdxl": {
        "block_out_channels": (32, 64, 128),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "transformer_layers_per_block": (1, 2, 3),
        "attention_head_dim": (1, 1, 2),
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 48 + 6 * 256,
    },
    "sdxl_refiner": {
        "block_out_channels": (32, 64, 64, 64),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "transformer_layers_per_block": 2,
        "attention_head_dim": (1, 1, 1, 1),
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 48 + 5 * 256,
    },
    # Distilled relatives of SDXL: fewer and uneven transformer layers, a middle block that is one resnet.
    "ssd_1b": {
        "block_out_channels": (32, 64, 64),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "mid_block_type": "UNetMidBlock2D",
        "transformer_layers_per_block": [1, [2, 2], [2, 2]],
        "reverse_transformer_layers_per_block": [[2, 2, 3], [2, 1, 1], 1],
        "attention_head_dim": (1, 1, 1),
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 48 + 6 * 256,
    },
}

WriteUNet = Callable[..., UNet2DConditionModel]


@pytest.fixture
def write_unet() -> WriteUNet:
    """``write_unet(path, family, layout="ldm", extra={}, **config)`` writes a random UNet and returns it."""

    def write(
        path: Path, family: str, *, layout: str = "ldm", extra: dict[str, torch.Tensor] | None = None, **config: Any
    ) -> UNet2DConditionModel:
        torch.manual_seed(7)
        unet = UNet2DConditionModel(**{"cross_attention_dim": 48, **TINY_UNETS[family], **config})
        unet.requires_grad_(False).eval()
        tensors = {name: tensor.clone() for name, tensor in unet.state_dict().items()}
        if layout != "diffusers":
            prefix = "model.diffusion_model." if layout == "ldm" else ""
            modules = ldm_names({name.rpartition(".")[0] for name in tensors})
            tensors = {
                f"{prefix}{modules[name.rpartition('.')[0]]}.{name.rpartition('.')[2]}": tensor
                for name, tensor in tensors.items()
            }
        save_file(tensors | (extra or {}), path)
        return unet

    return write
