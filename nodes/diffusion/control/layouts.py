"""Names of ControlNet tensors: from the original layout (``zero_convs``) to diffusers' modules."""

from __future__ import annotations

import re

from nodes.diffusion.ldm_names import diffusers_names
from nodes.diffusion.weights import WeightFile, WeightView

_ZERO_CONV = re.compile(r"zero_convs\.(\d+)\.0\.(\w+)")
_HINT = re.compile(r"input_hint_block\.(\d+)\.(\w+)")
_LIGHT_BODY = re.compile(r"\.(\d+)\.body\.")
_ADAPTER = re.compile(r"body\.(\d+)\.(.+)")


def as_controlnet(file: WeightFile) -> WeightView | None:
    """The tensors under ``ControlNetModel``'s names, or ``None`` where the file holds no ControlNet."""
    view = file.view("control_model.", "")
    if "controlnet_cond_embedding.conv_in.weight" in view:
        return view
    if "zero_convs.0.0.weight" not in view or "input_hint_block.0.weight" not in view:
        return None
    names = {new: old for old, new in diffusers_names(view).items()}
    last_hint = max(int(match[1]) for name in view if (match := _HINT.fullmatch(name)))
    for name in view:
        if match := _ZERO_CONV.fullmatch(name):
            names[f"controlnet_down_blocks.{match[1]}.{match[2]}"] = name
        elif match := _HINT.fullmatch(name):
            names[f"controlnet_cond_embedding.{_hint_layer(int(match[1]), last_hint)}.{match[2]}"] = name
        elif name.startswith("middle_block_out.0."):
            names[name.replace("middle_block_out.0.", "controlnet_mid_block.")] = name
    return view.renamed(names)


def _hint_layer(index: int, last: int) -> str:
    # Activations take the odd numbers between the convolutions.
    if index == 0:
        return "conv_in"
    return "conv_out" if index == last else f"blocks.{index // 2 - 1}"


def as_adapter(file: WeightFile) -> WeightView | None:
    """The tensors under ``T2IAdapter``'s names, or ``None`` where it is none. Full adapters have two residual blocks
    a level, numbered through; light ones have one body of them in each.
    """
    if "adapter.body.0.resnets.0.block1.weight" in file.facts:
        return file.view("")
    view = file.view("")
    if "body.0.in_conv.weight" in view and "body.0.out_conv.weight" in view:
        return view.renamed({"adapter." + _LIGHT_BODY.sub(r".\1.resnets.", name, count=1): name for name in view})
    if "conv_in.weight" not in view or "body.0.block1.weight" not in view:
        return None
    names = {f"adapter.{name}": name for name in view if name.startswith("conv_in.")}
    for name in view:
        if match := _ADAPTER.fullmatch(name):
            level, layer = divmod(int(match[1]), 2)
            inner = match[2] if match[2].startswith("in_conv.") else f"resnets.{layer}.{match[2]}"
            names[f"adapter.body.{level}.{inner}"] = name
    return view.renamed(names)
