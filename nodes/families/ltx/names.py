"""LTX-Video's files have their authors' names (https://github.com/Lightricks/LTX-Video), the network diffusers'."""

from __future__ import annotations

from nodes.diffusion.name_map import NameMap, whole
from nodes.families.marks import Shapes

_PARTS = (("proj_in.", "patchify_proj."), ("time_embed.", "adaln_single."))
_NORMS = ((".norm_q.", ".q_norm."), (".norm_k.", ".k_norm."))


def name_map(shapes: Shapes) -> NameMap:
    """Each parameter by its author's name."""
    return NameMap(native=whole((_native(name), name) for name in shapes))


def _native(name: str) -> str:
    for own, authors in _PARTS:
        if name.startswith(own):
            return authors + name.removeprefix(own)
    for own, authors in _NORMS:
        name = name.replace(own, authors)
    return name
