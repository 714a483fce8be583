"""Reads a UNet's configuration off the shapes of its tensors, and builds the module around them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from engine.errors import ModelUnreadable
from nodes.diffusion.assembly import assemble
from nodes.diffusion.ldm_names import diffusers_names
from nodes.diffusion.unet_module import UNet, UNetConfig
from nodes.diffusion.weights import WeightView

HEADS = 8  # attention heads a level in the SD1 layout
HEAD_WIDTH = 64  # channels a head in all later layouts


def as_diffusers(view: WeightView) -> WeightView:
    """A UNet's tensors under diffusers' names, whichever of the two layouts the file has.

    Raises ``ModelUnreadable`` where the tensors are no UNet's.
    """
    if "conv_in.weight" in view and "down_blocks.0.resnets.0.conv1.weight" in view:
        # Where the vector beside the prompt says no sizes, its embedding is called one of classes.
        named = {name.replace("class_embedding.", "add_embedding.", 1): name for name in view}
        return view if named.keys() == view.keys() else view.renamed(named)
    if "input_blocks.0.0.weight" not in view:
        raise ModelUnreadable(f"'{view.file.path.name}' holds no UNet of the Stable Diffusion families")
    return view.renamed({new: old for old, new in diffusers_names(view).items()})


def read_config(view: WeightView) -> UNetConfig:
    """The dimensions of a UNet with tensors under diffusers' names."""
    with _complete(view):
        up = [_depths(view, f"up_blocks.{level}") for level in range(view.count("down_blocks"))]
        return UNetConfig(
            **_read_encoder(view),
            out_channels=view.shape("conv_out.weight")[0],
            up_block_types=tuple("CrossAttnUpBlock2D" if depths else "UpBlock2D" for depths in up),
            reverse_transformer_layers_per_block=tuple(depths or [1] for depths in up),
        )


def read_encoder_config(view: WeightView) -> dict[str, Any]:
    """The arguments that a diffusers ``ControlNetModel`` shares with a UNet, whose first half it is."""
    with _complete(view):
        config = _read_encoder(view)
    if "projection_class_embeddings_input_dim" in config:
        config |= {"addition_embed_type": "text_time", "addition_time_embed_dim": 256}
    return config


@contextmanager
def _complete(view: WeightView) -> Iterator[None]:
    try:
        yield
    except (KeyError, IndexError) as error:
        message = f"'{view.file.path.name}' is not a complete UNet: tensor {error} is missing"
        raise ModelUnreadable(message) from error


def _read_encoder(view: WeightView) -> dict[str, Any]:
    levels = view.count("down_blocks")
    channels = [view.shape(f"down_blocks.{level}.resnets.0.conv1.weight")[0] for level in range(levels)]
    layers = [view.count(f"down_blocks.{level}.resnets") for level in range(levels)]
    down = [_depths(view, f"down_blocks.{level}") for level in range(levels)]
    middle = _depths(view, "mid_block")
    attention = next((name for name in view if name.endswith("attn2.to_k.weight")), None)
    projection = next((name for name in view if name.endswith("proj_in.weight")), None)
    linear = projection is None or len(view.shape(projection)) == 2
    config: dict[str, Any] = {
        "in_channels": view.shape("conv_in.weight")[1],
        "block_out_channels": tuple(channels),
        "layers_per_block": tuple(layers),
        "down_block_types": tuple("CrossAttnDownBlock2D" if depths else "DownBlock2D" for depths in down),
        "mid_block_type": "UNetMidBlock2DCrossAttn" if middle else "UNetMidBlock2D",
        # The last level's entry also sets the middle block's depth, so it stands in where that level has none.
        "transformer_layers_per_block": tuple(depths or [1] for depths in [*down[:-1], down[-1] or middle]),
        "attention_head_dim": tuple(max(1, width // HEAD_WIDTH) if linear else HEADS for width in channels),
        "use_linear_projection": linear,
    }
    if attention is not None:  # small ControlNets have none
        config["cross_attention_dim"] = view.shape(attention)[1]
    if middle and down[-1] and middle[0] != down[-1][0]:
        raise ModelUnreadable(f"'{view.file.path.name}': this layout of a UNet's middle block is not known")
    if "add_embedding.linear_1.weight" in view:
        config["projection_class_embeddings_input_dim"] = view.shape("add_embedding.linear_1.weight")[1]
    return config


def build_unet(view: WeightView) -> UNet:
    """A UNet around the file's own tensors (``view`` has diffusers' names): nothing is copied."""
    config = read_config(view)
    return assemble(lambda: UNet(config), view)


def _depths(view: WeightView, block: str) -> list[int]:
    """How many transformer layers each attention of a block has."""
    attentions = view.count(f"{block}.attentions")
    return [view.count(f"{block}.attentions.{index}.transformer_blocks") for index in range(attentions)]
