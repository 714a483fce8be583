"""HunyuanVideo's transformer as diffusers has it, with what 1.5 adds to it (https://arxiv.org/abs/2511.18870)."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import HunyuanVideoTransformer3DModel
from torch import Tensor, nn

from nodes.diffusion.weights import WeightView

HEAD_WIDTH = 128
TEXT, GLYPHS, PICTURE = 0, 1, 2
"""Rows of the embedding that tells kinds of tokens apart."""

_POOLED = "vector_in.in_layer.weight"
_PICTURE, _GLYPHS, _KINDS = "vision_in.proj.1.weight", "byt5_in.fc1.weight", "cond_type_embedding.weight"


class PictureTokens(nn.Module):
    """What an encoder saw in a picture, [rows, tokens, its width], as tokens of the network."""

    def __init__(self, seen: int, width: int) -> None:
        super().__init__()
        self.proj = nn.Sequential(
            nn.LayerNorm(seen), nn.Linear(seen, seen), nn.GELU(), nn.Linear(seen, width), nn.LayerNorm(width)
        )

    def forward(self, seen: Tensor) -> Tensor:
        tokens: Tensor = self.proj(seen)
        return tokens


class GlyphTokens(nn.Module):
    """Words to be written in the film, [rows, tokens, their encoder's width], as tokens of the network."""

    def __init__(self, read: int, inner: int, width: int) -> None:
        super().__init__()
        self.layernorm = nn.LayerNorm(read)
        self.fc1, self.fc2, self.fc3 = nn.Linear(read, inner), nn.Linear(inner, inner), nn.Linear(inner, width)

    def forward(self, read: Tensor) -> Tensor:
        hidden = torch.nn.functional.gelu(self.fc1(self.layernorm(read)))
        tokens: Tensor = self.fc3(torch.nn.functional.gelu(self.fc2(hidden)))
        return tokens


def configuration(view: WeightView) -> dict[str, Any]:
    """What ``HunyuanVideoTransformer3DModel`` is made with, read from the shapes of its tensors."""
    width, channels, _, patch, _ = view.shape("img_in.proj.weight")
    return {
        "in_channels": channels,
        "out_channels": view.shape("final_layer.linear.weight")[0] // patch**2,
        "num_attention_heads": width // HEAD_WIDTH,
        "attention_head_dim": HEAD_WIDTH,
        "num_layers": view.count("double_blocks"),
        "num_single_layers": view.count("single_blocks"),
        "num_refiner_layers": view.count("txt_in.individual_token_refiner.blocks"),
        "patch_size": patch,
        "guidance_embeds": any(name.startswith("guidance_in.") for name in view),
        "text_embed_dim": view.shape("txt_in.input_embedder.weight")[1],
        "pooled_projection_dim": view.shape(_POOLED)[1] if _POOLED in view else 1,
    }


def build(view: WeightView) -> nn.Module:
    """The network for the tensors of ``view``, which has Tencent's names or ComfyUI's."""
    network: Any = HunyuanVideoTransformer3DModel(**configuration(view))
    width = view.shape("img_in.proj.weight")[0]
    if _POOLED not in view:
        network.time_text_embed.text_embedder = None
    if _PICTURE in view:
        network.vision_in = PictureTokens(view.shape(_PICTURE)[0], width)
    if _GLYPHS in view:
        network.byt5_in = GlyphTokens(view.shape(_GLYPHS)[1], view.shape(_GLYPHS)[0], width)
    if _KINDS in view:
        network.cond_type_embedding = nn.Embedding(view.shape(_KINDS)[0], width)
    return network  # type: ignore[no-any-return]
