"""Loads a ControlNet, union ControlNet or T2I adapter from a single file, configured by its tensors' shapes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from diffusers import ControlNetModel, ControlNetUnionModel
from torch import nn

from engine.errors import ModelUnreadable
from engine.weights import Weights
from nodes.diffusion.assembly import assemble
from nodes.diffusion.contents import content_key
from nodes.diffusion.control.adapters import build_adapter
from nodes.diffusion.control.layouts import as_adapter, as_controlnet
from nodes.diffusion.control.network import CONTROL_TYPE_WIDTH
from nodes.diffusion.unet_config import read_encoder_config
from nodes.diffusion.weights import WeightFile, WeightView
from nodes.values import ControlNet

_SHUFFLE_ENDINGS = ("_shuffle", "_shuffle_fp16")
"""Networks for shuffled pictures are told by their files' names alone."""


def load_control_net(path: Path) -> ControlNet:
    """The network in the file. Raises ``ModelUnreadable`` where it is of a kind that cannot be used."""
    file = WeightFile(path)
    if "lora_controlnet" in file.facts:
        raise ModelUnreadable(
            f"'{path.name}' is a Control-LoRA, which cannot run on its own",
            input="control_net_name",
            remedy="use the full ControlNet of the same kind",
        )
    if (view := as_controlnet(file)) is not None:
        union = "task_embedding" in view
        return ControlNet(
            _weights(view, _build_union if union else _build_controlnet, path.name),
            "union" if union else "controlnet",
            global_pooling=path.stem.endswith(_SHUFFLE_ENDINGS),
            difference="difference" in file.facts,
        )
    if (view := as_adapter(file)) is not None:
        return ControlNet(_weights(view, build_adapter, path.name), "t2i_adapter")
    raise ModelUnreadable(
        f"'{path.name}' is neither a ControlNet nor a T2I adapter of the Stable Diffusion families",
        input="control_net_name",
        remedy="pick a ControlNet for SD1.5, SD2 or SDXL",
    )


def _weights(view: WeightView, build: Callable[[WeightView], nn.Module], label: str) -> Weights:
    # Only networks stored as a difference are ever patched, and their sum is rounded as the file's numbers are.
    return Weights(content_key(view), partial(build, view), label, heavy=view.heavy, patched_as_stored=True)


def _build_controlnet(view: WeightView) -> ControlNetModel:
    return assemble(lambda: ControlNetModel(**_config(view)), view)


def _build_union(view: WeightView) -> ControlNetUnionModel:
    config = _config(view)
    # This class always makes a middle block with attention and has no switch for it.
    config.pop("mid_block_type", None)
    kinds, width = view.shape("task_embedding")
    config.setdefault("addition_time_embed_dim", CONTROL_TYPE_WIDTH)
    config |= {"num_control_type": kinds, "num_trans_channel": width, "num_proj_channel": width}
    config["num_trans_layer"] = view.count("transformer_layes")
    return assemble(lambda: ControlNetUnionModel(**config), view)


def _config(view: WeightView) -> dict[str, Any]:
    config = read_encoder_config(view)
    layers = [name for name in view if name.startswith("controlnet_cond_embedding.blocks.") and name.endswith("weight")]
    hint = [view.shape("controlnet_cond_embedding.conv_in.weight")]
    hint += [view.shape(f"controlnet_cond_embedding.blocks.{index}.weight") for index in range(1, len(layers), 2)]
    config["conditioning_channels"] = hint[0][1]
    config["conditioning_embedding_out_channels"] = tuple(shape[0] for shape in hint)
    # ControlNetModel has one number of layers for all levels.
    config["layers_per_block"] = config["layers_per_block"][0]
    config["transformer_layers_per_block"] = tuple(depths[0] for depths in config["transformer_layers_per_block"])
    return config
