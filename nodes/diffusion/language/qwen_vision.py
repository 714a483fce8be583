"""Qwen2.5-VL's vision tower: a picture to vectors that stand among the prompt's tokens (arXiv:2502.13923)."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.models.qwen2_5_vl.configuration_qwen2_5_vl import Qwen2_5_VLVisionConfig
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import (
    Qwen2_5_VisionPatchEmbed,
    Qwen2_5_VLPatchMerger,
    Qwen2_5_VLVisionBlock,
)

from nodes.diffusion.weights import WeightView

HEAD_WIDTH = 80
PATCH_PX = 14
MERGED = 2  # patches along each side that become one token
UNIT_PX = PATCH_PX * MERGED
FRAMES = 2  # a patch spans two frames of a film: a picture is shown twice
WINDOW = 4  # tokens along each side within which most blocks attend
WHOLE_PICTURE_BLOCKS = frozenset({7, 15, 23, 31})
THETA = 1e4
LEAST_PX, MOST_PX = 56 * 56, 3584 * 3584
MEAN = (0.48145466, 0.4578275, 0.40821073)
DEVIATION = (0.26862954, 0.26130258, 0.27577711)


class Tower(nn.Module):
    """The tower's parts, under the names that files have."""

    def __init__(self, config: Qwen2_5_VLVisionConfig) -> None:
        super().__init__()
        self.patch_embed = Qwen2_5_VisionPatchEmbed(PATCH_PX, FRAMES, config.in_channels, config.hidden_size)
        self.blocks = nn.ModuleList(Qwen2_5_VLVisionBlock(config) for _ in range(config.depth))
        self.merger = Qwen2_5_VLPatchMerger(config.out_hidden_size, config.hidden_size, MERGED)


def build_tower(view: WeightView) -> Tower:
    """A tower of the dimensions that the tensors below ``visual.`` have."""
    width, channels = view.shape("visual.patch_embed.proj.weight")[:2]
    return Tower(
        Qwen2_5_VLVisionConfig(
            depth=view.count("visual.blocks"),
            hidden_size=width,
            intermediate_size=view.shape("visual.blocks.0.mlp.gate_proj.weight")[0],
            num_heads=width // HEAD_WIDTH,
            in_channels=channels,
            out_hidden_size=view.shape("visual.merger.mlp.2.weight")[0],
            attn_implementation="sdpa",
        )
    )


def see(tower: Any, picture: Tensor) -> tuple[Tensor, tuple[int, int]]:
    """Vectors of a picture, [tokens, width of the prompt's], and how many rows and columns of tokens they are.

    ``picture``: float32[height, width, 3], 0..1.
    """
    weight = tower.patch_embed.proj.weight
    patches, (rows, columns) = _patches(picture.to(weight.device))
    order, lengths = _windows(rows, columns)
    order = order.to(weight.device)
    hidden = tower.patch_embed(patches.to(weight.dtype)).unflatten(0, (-1, MERGED**2))[order].flatten(0, 1)
    turns = torch.unflatten(_angles(rows, columns, weight.device), 0, (-1, MERGED**2))[order].flatten(0, 1)
    cos, sin = (side.to(weight.dtype) for side in (turns.cos(), turns.sin()))
    for index, block in enumerate(tower.blocks):
        spans = [len(hidden)] if index in WHOLE_PICTURE_BLOCKS else lengths
        hidden = hidden + _attend(block.attn, block.norm1(hidden), cos, sin, spans)
        hidden = hidden + block.mlp(block.norm2(hidden))
    return tower.merger(hidden)[order.argsort()], (rows, columns)


def size_px(height: int, width: int) -> tuple[int, int]:
    """The height and width nearest to a picture's that are whole tokens, within what the model was trained on."""
    tall, wide = (round(side / UNIT_PX) * UNIT_PX for side in (height, width))
    if tall * wide > MOST_PX:
        shrink = math.sqrt(height * width / MOST_PX)
        tall, wide = (max(UNIT_PX, math.floor(side / shrink / UNIT_PX) * UNIT_PX) for side in (height, width))
    elif tall * wide < LEAST_PX:
        grow = math.sqrt(LEAST_PX / (height * width))
        tall, wide = (math.ceil(side * grow / UNIT_PX) * UNIT_PX for side in (height, width))
    return tall, wide


def _patches(picture: Tensor) -> tuple[Tensor, tuple[int, int]]:
    """[patches, channels x frames x pixels], those of one token side by side, and the rows and columns of tokens."""
    tall, wide = size_px(*picture.shape[:2])
    planes = F.interpolate(picture.movedim(-1, 0)[None], size=(tall, wide), mode="bilinear", align_corners=False)[0]
    mean, deviation = (planes.new_tensor(each).view(3, 1, 1) for each in (MEAN, DEVIATION))
    planes = (planes - mean) / deviation
    rows, columns = tall // UNIT_PX, wide // UNIT_PX
    cells = torch.unflatten(torch.unflatten(planes, 1, (rows, MERGED, PATCH_PX)), 4, (columns, MERGED, PATCH_PX))
    # channel, row, y patch, y, column, x patch, x -> row, column, y patch, x patch, channel, y, x
    cells = cells.permute(1, 4, 2, 5, 0, 3, 6)
    return cells.unsqueeze(5).expand(-1, -1, -1, -1, -1, FRAMES, -1, -1).flatten(4).flatten(0, 3), (rows, columns)


def _windows(rows: int, columns: int) -> tuple[Tensor, list[int]]:
    """Tokens in an order in which windows come one after the other, and how many patches each window has."""
    places = torch.arange(rows * columns).view(rows, columns)
    windows = [
        places[top : top + WINDOW, left : left + WINDOW].flatten()
        for top in range(0, rows, WINDOW)
        for left in range(0, columns, WINDOW)
    ]
    return torch.cat(windows), [len(window) * MERGED**2 for window in windows]


def _angles(rows: int, columns: int, device: torch.device) -> Tensor:
    """How far each feature of a head turns, float32[patches, head width]: by rows, by columns, and both once more."""
    y, x = (torch.arange(count * MERGED, dtype=torch.float32, device=device) for count in (rows, columns))
    grid = torch.unflatten(torch.cartesian_prod(y, x), 0, (rows, MERGED, columns, MERGED))
    grid = grid.transpose(1, 2).flatten(0, 3)
    pairs = torch.arange(0, HEAD_WIDTH // 2, 2, dtype=torch.float32, device=device)
    angles = (grid[..., None] / THETA ** (pairs / (HEAD_WIDTH // 2))).flatten(1)
    return torch.cat([angles, angles], dim=-1)


def _attend(attention: Any, tokens: Tensor, cos: Tensor, sin: Tensor, spans: list[int]) -> Tensor:
    """Attention of [patches, width] within each of ``spans``, neighbouring runs of patches."""
    q, k, v = attention.qkv(tokens).unflatten(-1, (3, -1, HEAD_WIDTH)).unbind(1)
    q, k = _turned(q, cos, sin), _turned(k, cos, sin)
    parts = zip(*(side.transpose(0, 1)[None].split(spans, dim=2) for side in (q, k, v)), strict=True)
    mixed = torch.cat([F.scaled_dot_product_attention(*part) for part in parts], dim=2)
    return attention.proj(mixed[0].transpose(0, 1).flatten(1))  # type: ignore[no-any-return]


def _turned(heads: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Queries or keys, [patches, heads, width]; a feature's partner is half the width away."""
    first, second = heads.chunk(2, dim=-1)
    return heads * cos[:, None] + torch.cat([-second, first], dim=-1) * sin[:, None]
