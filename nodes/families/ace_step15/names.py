"""ACE-Step 1.5's files have their authors' names (https://github.com/ace-step/ACE-Step-1.5), the network diffusers'."""

from __future__ import annotations

import re

from nodes.diffusion.name_map import NameMap, whole
from nodes.families.marks import Shapes

_PARTS = {
    "to_q": "q_proj",
    "to_k": "k_proj",
    "to_v": "v_proj",
    "to_out.0": "o_proj",
    "norm_q": "q_norm",
    "norm_k": "k_norm",
}
_ATTENTION = re.compile(r"(self_attn|cross_attn)\.(to_q|to_k|to_v|to_out\.0|norm_q|norm_k)\.")
_PLACES = {
    "decoder.proj_in_conv.": "decoder.proj_in.1.",
    "decoder.proj_out_conv.": "decoder.proj_out.1.",
    "encoder.null_condition_emb": "null_condition_emb",
}


def name_map(shapes: Shapes) -> NameMap:
    """Each parameter by its authors' name, and by its own."""
    return NameMap(whole((_of_file(name), name) for name in shapes), whole((name, name) for name in shapes))


def _of_file(parameter: str) -> str:
    for own, published in _PLACES.items():
        if parameter.startswith(own):
            return published + parameter.removeprefix(own)
    return _ATTENTION.sub(lambda found: f"{found[1]}.{_PARTS[found[2]]}.", parameter)
