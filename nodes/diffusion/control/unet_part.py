"""ControlNets, union ControlNets and T2I adapters of UNets: loaded from a single file, and run."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from diffusers import ControlNetModel, ControlNetUnionModel
from torch import nn

from engine.weights import Weights
from nodes.diffusion.assembly import assemble
from nodes.diffusion.contents import content_key
from nodes.diffusion.control.adapters import build_adapter, hint_multiple_px
from nodes.diffusion.control.call import ControlCall
from nodes.diffusion.control.fitting import adapter_fits, encoder_fits
from nodes.diffusion.control.layouts import as_adapter, as_controlnet
from nodes.diffusion.control.network import CONTROL_TYPE_WIDTH, control_residuals
from nodes.diffusion.unet import ControlResiduals
from nodes.diffusion.unet_config import read_encoder_config
from nodes.diffusion.weights import WeightView
from nodes.families.control_kinds import ADAPTER, CONTROLNET, UNION
from nodes.families.marks import Shapes
from nodes.values import Control, ControlNet, Model

_SHUFFLE_ENDINGS = ("_shuffle", "_shuffle_fp16")
"""Networks for shuffled pictures are told by their files' names alone."""


def load(view: WeightView, kind: str) -> ControlNet:
    """The network in ``view``, which is all of its file."""
    if kind == ADAPTER.name:
        return ControlNet(_weights(as_adapter(view), build_adapter), ADAPTER)
    net = as_controlnet(view)
    path, is_union = view.file.path, kind == UNION.name
    return ControlNet(
        _weights(net, _build_union if is_union else _build_controlnet),
        UNION if is_union else CONTROLNET,
        modes=net.shape("task_embedding")[0] if is_union else 0,
        global_pooling=path.stem.endswith(_SHUFFLE_ENDINGS),
        difference="difference" in view.file.facts,
    )


def fits(shapes: Shapes, net: ControlNet, model: Model, network: Shapes) -> bool:
    """Whether the control network's tensors go with those of the model's UNet."""
    if "mid_block.resnets.0.conv1.weight" not in network:
        return False
    return adapter_fits(shapes, network) if net.kind is ADAPTER else encoder_fits(shapes, network)


def residuals(control: Control, module: Any, call: ControlCall) -> ControlResiduals:
    """What the network adds at strength 1."""
    hint = call.hint(control, hint_multiple_px(module) if control.net.kind is ADAPTER else 1)
    context, y = call.inputs["context"], call.inputs.get("y")
    return control_residuals(control.net, module, call.x, hint, call.timestep, context, y)


def _weights(view: WeightView, build: Callable[[WeightView], nn.Module]) -> Weights:
    # Only networks stored as a difference are ever patched, and their sum is rounded as the file's numbers are.
    label = view.file.path.name
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
