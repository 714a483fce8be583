"""CLIP's picture encoders in OpenCLIP's layout, under the names of Hugging Face's."""

from __future__ import annotations

import re

import torch
from torch import Tensor, nn

from nodes.diffusion.weight_header import Rows
from nodes.diffusion.weights import Place, WeightView

COLUMNS = "visual_projection.columns"
"""The projection as OpenCLIP stores it: a column for each number that leaves it."""

_QUERIES = "transformer.resblocks.0.attn.in_proj_weight"
_OUTER = {
    "class_embedding": "embeddings.class_embedding",
    "conv1.weight": "embeddings.patch_embedding.weight",
    "positional_embedding": "embeddings.position_embedding.weight",
    "ln_pre.weight": "pre_layrnorm.weight",
    "ln_pre.bias": "pre_layrnorm.bias",
    "ln_post.weight": "post_layernorm.weight",
    "ln_post.bias": "post_layernorm.bias",
}
_INNER = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "attn.out_proj": "self_attn.out_proj",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}
_LAYER = re.compile(r"transformer\.resblocks\.(\d+)\.(.+?)[._](weight|bias)")


class ColumnProjection(nn.Module):
    """A product with ``columns``, [width, projected width]."""

    def __init__(self, width: int, projected: int) -> None:
        super().__init__()
        self.columns = nn.Parameter(torch.empty(width, projected))

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens @ self.columns


def is_open_clip(view: WeightView) -> bool:
    """Whether a view holds an encoder in that layout."""
    return _QUERIES in view


def from_open_clip(view: WeightView) -> WeightView:
    """The encoder under Hugging Face's names."""
    found: dict[str, Place] = {f"vision_model.{new}": old for old, new in _OUTER.items() if old in view}
    if "proj" in view:
        found[COLUMNS] = "proj"
    for name in view:
        if (match := _LAYER.fullmatch(name)) is None:
            continue
        number, part, leaf = match.groups()
        layer = f"vision_model.encoder.layers.{number}"
        if part == "attn.in_proj":
            rows = view.shape(name)[0] // 3
            for place, side in enumerate("qkv"):
                found[f"{layer}.self_attn.{side}_proj.{leaf}"] = Rows(name, place * rows, (place + 1) * rows)
        elif part in _INNER:
            found[f"{layer}.{_INNER[part]}.{leaf}"] = name
    return view.renamed(found)
