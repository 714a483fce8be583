"""The ControlNet nodes: kinds of a union network."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import ControlNetUnionModel
from safetensors.torch import save_file

from engine.context import Context
from engine.errors import InputInvalid
from nodes.control import UNION_TYPES, set_union_type
from nodes.diffusion.control import load_control_net
from nodes.values import ControlNet


@pytest.fixture
def union(tmp_path: Path) -> ControlNet:
    """As the first published union networks: of six kinds."""
    torch.manual_seed(1)
    module = ControlNetUnionModel(
        block_out_channels=(32,),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D",),
        cross_attention_dim=16,
        attention_head_dim=8,
        conditioning_embedding_out_channels=(16, 32),
        addition_time_embed_dim=256,
        num_trans_channel=32,
        num_proj_channel=32,
        num_control_type=6,
    )
    save_file(module.state_dict(), tmp_path / "union.safetensors")
    return load_control_net(tmp_path / "union.safetensors")


@pytest.mark.parametrize("number", range(8))
def test_a_kind_that_the_network_does_not_know(ctx: Context, union: ControlNet, number: int) -> None:
    kind = UNION_TYPES[number]
    if number < 6:
        assert set_union_type(ctx, control_net=union, type=kind).union_type == number
    else:
        with pytest.raises(InputInvalid, match=f"6 kinds of pictures, and '{kind}'") as caught:
            set_union_type(ctx, control_net=union, type=kind)
        assert "ProMax" in caught.value.remedy
    assert set_union_type(ctx, control_net=union, type="auto").union_type is None
