"""Names of a VAE's tensors: from the published LDM layout to the diffusers module that runs them."""

from __future__ import annotations

import re
from collections.abc import Iterable

_MIDDLE = {"block_1": "resnets.0", "block_2": "resnets.1", "attn_1": "attentions.0"}
_INNER = {
    "nin_shortcut": "conv_shortcut",
    "norm": "group_norm",
    "q": "to_q",
    "k": "to_k",
    "v": "to_v",
    "proj_out": "to_out.0",
}
# What diffusers itself called the attention's parts before 0.13.
_FORMER = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
_OUTER = {"conv_in": "conv_in", "norm_out": "conv_norm_out", "conv_out": "conv_out"}
_LEVEL = re.compile(r"(encoder|decoder)\.(down|up)\.(\d+)\.(block\.\d+|downsample|upsample)\.(.+)\.(weight|bias)")
_MID = re.compile(r"(encoder|decoder)\.mid\.(block_1|block_2|attn_1)\.(.+)\.(weight|bias)")
_EDGE = re.compile(r"(encoder|decoder)\.(conv_in|norm_out|conv_out)\.(weight|bias)")
_OLD_ATTENTION = re.compile(r"(.+\.mid_block\.attentions\.0)\.(query|key|value|proj_attn)\.(weight|bias)")


def diffusers_names(names: Iterable[str]) -> dict[str, str]:
    """The diffusers name of each tensor of a VAE, whose names are LDM's or diffusers' (present or former) own.

    Names that belong to no part of the network are left out (the discriminator of a training checkpoint).
    """
    names = list(names)
    levels = 1 + max((int(match[3]) for match in map(_LEVEL.fullmatch, names) if match), default=-1)
    renamed = {name: _renamed(name, levels) for name in names}
    return {name: new for name, new in renamed.items() if new is not None}


def _renamed(name: str, levels: int) -> str | None:
    if match := _LEVEL.fullmatch(name):
        side, direction, level, part, inner, leaf = match.groups()
        # The decoder's levels are numbered from the full resolution in LDM, from the smallest in diffusers.
        number = int(level) if direction == "down" else levels - 1 - int(level)
        module = part.replace("block.", "resnets.") if part.startswith("block") else f"{part}rs.0"
        return f"{side}.{direction}_blocks.{number}.{module}.{_INNER.get(inner, inner)}.{leaf}"
    if match := _MID.fullmatch(name):
        side, part, inner, leaf = match.groups()
        return f"{side}.mid_block.{_MIDDLE[part]}.{_INNER.get(inner, inner)}.{leaf}"
    if match := _EDGE.fullmatch(name):
        side, part, leaf = match.groups()
        return f"{side}.{_OUTER[part]}.{leaf}"
    if match := _OLD_ATTENTION.fullmatch(name):
        block, part, leaf = match.groups()
        return f"{block}.{_FORMER[part]}.{leaf}"
    if name.startswith(("quant_conv.", "post_quant_conv.", "encoder.", "decoder.")):
        return name
    return None
