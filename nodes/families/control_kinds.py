"""ControlNets of UNets and T2I adapters as kinds, in the layouts of their authors and of diffusers."""

from __future__ import annotations

from nodes.families.family import ControlKind
from nodes.families.marks import Marks

_MODULE = "nodes.diffusion.control.unet_part"
_UNION = ("task_embedding", "control_model.task_embedding")
_NETWORK = (
    ("controlnet_cond_embedding.conv_in.weight", "conv_in.weight"),
    ("zero_convs.0.0.weight", "input_hint_block.0.weight"),
    ("control_model.zero_convs.0.0.weight", "control_model.input_hint_block.0.weight"),
)

CONTROLNET = ControlKind(
    "controlnet", "ControlNet of a UNet", tuple(Marks(present, _UNION) for present in _NETWORK), _MODULE
)
UNION = ControlKind(
    "union",
    "union ControlNet of a UNet",
    tuple(Marks((*present, mark)) for present in _NETWORK for mark in _UNION),
    _MODULE,
)
ADAPTER = ControlKind(
    "t2i_adapter",
    "T2I adapter",
    (
        Marks(("adapter.body.0.resnets.0.block1.weight",)),
        Marks(("body.0.in_conv.weight", "body.0.out_conv.weight")),
        Marks(("conv_in.weight", "body.0.block1.weight")),
    ),
    _MODULE,
)
