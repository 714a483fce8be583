"""The parts of Stable Diffusion's UNet, assembled from diffusers' blocks under its names.

:func:`nodes.diffusion.unet.predict` walks them. diffusers' own ``UNet2DConditionModel`` has the same parts, and a
forward pass that is not needed here; with it come its loaders, which take 2 s to import.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from diffusers.models.embeddings import TimestepEmbedding
from diffusers.models.unets.unet_2d_blocks import get_down_block, get_mid_block, get_up_block
from torch import nn

GROUPS = 32  # of its group norms
EPSILON = 1e-5  # likewise
TIME_FACTOR = 4  # the time embedding's width, in widths of the first level


@dataclass(frozen=True, slots=True, kw_only=True)
class UNetConfig:
    """The dimensions of a UNet, named as in diffusers; sequences have an entry a level, the outermost first.

    ``projection_class_embeddings_input_dim``: the width of SDXL's vector, None where the network takes none.
    """

    in_channels: int
    out_channels: int
    block_out_channels: Sequence[int]
    layers_per_block: Sequence[int]
    down_block_types: Sequence[str]
    mid_block_type: str
    up_block_types: Sequence[str]
    transformer_layers_per_block: Sequence[Sequence[int]]
    reverse_transformer_layers_per_block: Sequence[Sequence[int]]
    attention_head_dim: Sequence[int]  # which is how many heads there are
    use_linear_projection: bool
    cross_attention_dim: int = 1280
    projection_class_embeddings_input_dim: int | None = None


class UNet(nn.Module):
    """The modules of a UNet; ``add_embedding`` is None where it takes no vector."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        first, levels = config.block_out_channels[0], range(len(config.block_out_channels))
        vector_width = config.projection_class_embeddings_input_dim
        time_width = TIME_FACTOR * first
        self.conv_in = nn.Conv2d(config.in_channels, first, 3, padding=1)
        self.time_embedding = TimestepEmbedding(first, time_width)
        self.add_embedding = None if vector_width is None else TimestepEmbedding(vector_width, time_width)
        self.down_blocks = nn.ModuleList(_down(config, level, time_width) for level in levels)
        self.mid_block = _middle(config, time_width)
        self.up_blocks = nn.ModuleList(_up(config, place, time_width) for place in levels)
        self.conv_norm_out = nn.GroupNorm(GROUPS, first, EPSILON)
        self.conv_act = nn.SiLU()
        self.conv_out = nn.Conv2d(first, config.out_channels, 3, padding=1)


def _down(config: UNetConfig, level: int, time_width: int) -> nn.Module:
    channels = config.block_out_channels
    block: nn.Module = get_down_block(
        config.down_block_types[level],
        num_layers=config.layers_per_block[level],
        transformer_layers_per_block=config.transformer_layers_per_block[level],
        in_channels=channels[max(level - 1, 0)],
        out_channels=channels[level],
        add_downsample=level < len(channels) - 1,
        downsample_padding=1,
        **_every_block(config, level, time_width),
    )
    return block


def _middle(config: UNetConfig, time_width: int) -> nn.Module:
    block: nn.Module = get_mid_block(
        config.mid_block_type,
        transformer_layers_per_block=config.transformer_layers_per_block[-1],
        in_channels=config.block_out_channels[-1],
        **_every_block(config, -1, time_width),
    )
    return block


def _up(config: UNetConfig, place: int, time_width: int) -> nn.Module:
    """The block in the given place on the way up, 0 being the innermost level's."""
    channels, level = config.block_out_channels, len(config.block_out_channels) - 1 - place
    block: nn.Module = get_up_block(
        config.up_block_types[place],
        num_layers=config.layers_per_block[level] + 1,
        transformer_layers_per_block=config.reverse_transformer_layers_per_block[place],
        in_channels=channels[max(level - 1, 0)],
        out_channels=channels[level],
        prev_output_channel=channels[min(level + 1, len(channels) - 1)],
        add_upsample=level > 0,
        **_every_block(config, level, time_width),
    )
    return block


def _every_block(config: UNetConfig, level: int, time_width: int) -> dict[str, Any]:
    """The constructor arguments that blocks of all kinds share."""
    return {
        "temb_channels": time_width,
        "resnet_eps": EPSILON,
        "resnet_act_fn": "silu",
        "resnet_groups": GROUPS,
        "cross_attention_dim": config.cross_attention_dim,
        "num_attention_heads": config.attention_head_dim[level],
        "attention_head_dim": config.attention_head_dim[level],
        "use_linear_projection": config.use_linear_projection,
    }
