"""The networks of this project as the classes of diffusers and transformers that they stand for, tensors shared."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import torch


def diffusers_unet(unet: Any) -> Any:
    """A ``UNet2DConditionModel``."""
    from diffusers import UNet2DConditionModel

    config = asdict(unet.config)
    if unet.config.projection_class_embeddings_input_dim is not None:
        config |= {"addition_embed_type": "text_time", "addition_time_embed_dim": 256}
    return _around(unet, lambda: UNet2DConditionModel(**config))


def diffusers_vae(vae: Any) -> Any:
    """An ``AutoencoderKL``."""
    from diffusers import AutoencoderKL

    levels = len(vae.config.block_out_channels)
    kinds = {
        "down_block_types": ("DownEncoderBlock2D",) * levels,
        "up_block_types": ("UpDecoderBlock2D",) * levels,
    }
    return _around(vae, lambda: AutoencoderKL(**asdict(vae.config), **kinds))


def transformers_clip(encoder: Any) -> Any:
    """A ``CLIPTextModelWithProjection`` with torch's attention."""
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    shape = encoder.shape
    config = CLIPTextConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.width,
        intermediate_size=shape.mlp_width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        max_position_embeddings=shape.positions,
        projection_dim=shape.projection,
        hidden_act=shape.activation,
        eos_token_id=shape.vocabulary - 1,
        attn_implementation="sdpa",
    )
    made = _around(encoder, lambda: CLIPTextModelWithProjection(config))
    made.text_model.embeddings.position_ids = torch.arange(shape.positions)[None]
    if not encoder.text_projection.state_dict():
        made.text_projection = torch.nn.Identity()
    return made


def _around(module: torch.nn.Module, make: Any) -> Any:
    with torch.device("meta"):
        made = make()
    made.load_state_dict(module.state_dict(), strict=False, assign=True)
    return made.requires_grad_(False).eval()
