"""Names of ControlNet tensors: from the original layout (``zero_convs``) to diffusers' modules."""

from __future__ import annotations

import re

from nodes.diffusion.ldm_names import diffusers_names
from nodes.diffusion.weights import WeightView

_ZERO_CONV = re.compile(r"zero_convs\.(\d+)\.0\.(\w+)")
_HINT = re.compile(r"input_hint_block\.(\d+)\.(\w+)")
_LIGHT_BODY = re.compile(r"\.(\d+)\.body\.")
_ADAPTER = re.compile(r"body\.(\d+)\.(.+)")


def as_controlnet(whole: WeightView) -> WeightView:
    """The tensors of a ControlNet's file under ``ControlNetModel``'s names."""
    prefix = "control_model."
    own = {name.removeprefix(prefix): name for name in whole if name.startswith(prefix)}
    view = whole.renamed(own) if own else whole
    if "controlnet_cond_embedding.conv_in.weight" in view:
        return view
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


def as_adapter(view: WeightView) -> WeightView:
    """The tensors of an adapter's file under ``T2IAdapter``'s names. Full adapters have two residual blocks a level,
    numbered through; light ones have one body of them in each.
    """
    if "adapter.body.0.resnets.0.block1.weight" in view:
        return view
    if "body.0.in_conv.weight" in view and "body.0.out_conv.weight" in view:
        return view.renamed({"adapter." + _LIGHT_BODY.sub(r".\1.resnets.", name, count=1): name for name in view})
    names = {f"adapter.{name}": name for name in view if name.startswith("conv_in.")}
    for name in view:
        if match := _ADAPTER.fullmatch(name):
            level, layer = divmod(int(match[1]), 2)
            inner = match[2] if match[2].startswith("in_conv.") else f"resnets.{layer}.{match[2]}"
            names[f"adapter.body.{level}.{inner}"] = name
    return view.renamed(names)
