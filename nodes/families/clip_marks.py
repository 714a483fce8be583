"""Which CLIP text encoder a file holds, by the number and the layout of its layers."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

from nodes.families.marks import Shapes

ClipKind = Literal["clip_l", "clip_h", "clip_g"]

_TABLE = "token_embedding.weight"
_LAYER = re.compile(r"(?:text_model\.)?encoder\.layers\.(\d+)\.mlp\.fc1\.weight$")
_OPENCLIP_LAYER = re.compile(r"transformer\.resblocks\.(\d+)\.mlp\.c_fc\.weight$")
_VISION = re.compile(r"(^|\.)(vision_model|visual)\.")


def clip_kind(shapes: Shapes) -> ClipKind | None:
    """The encoder among tensors with any prefix, in Hugging Face's layout or OpenCLIP's; None where there is none."""
    names = [name for name in shapes if not _VISION.search(name)]
    if not any(name.endswith(_TABLE) for name in names):
        return None
    layers = sum(bool(_LAYER.search(name)) for name in names)
    open_layers = sum(bool(_OPENCLIP_LAYER.search(name)) for name in names)
    depth = layers + open_layers
    if depth == 0:
        return None
    if depth > 24:
        return "clip_g"
    if depth > 12:
        return "clip_h"
    return "clip_g" if open_layers else "clip_l"


def is_clip(kind: ClipKind) -> Callable[[Shapes], bool]:
    """A question for :class:`nodes.families.marks.Marks`."""
    return lambda shapes: clip_kind(shapes) == kind
