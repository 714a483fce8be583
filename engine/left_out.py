"""Classes of ComfyUI's own that are left out on purpose: those that call hosted services, those for 3D, shaders.

Their names are in ``left_out.json``.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

_WHY = {
    "hosted": "it calls a hosted service, and such nodes are left out: use a node whose model runs here",
    "3d": "it is for 3D, which is left out",
    "shader": "it runs a program in OpenGL's language, which needs a graphics driver, and is left out: use nodes for "
    "pictures such as ImageBlend, ColorTransfer or CurveEditor, or a node of your own",
}


def why_left_out(class_type: str) -> str:
    """The reason, for remedies; empty for any other class."""
    return _WHY.get(_kinds().get(class_type, ""), "")


def is_hosted(class_type: str) -> bool:
    """Whether this is a class that calls a hosted service."""
    return _kinds().get(class_type) == "hosted"


@cache
def _kinds() -> dict[str, str]:
    document = json.loads(Path(__file__).with_name("left_out.json").read_text(encoding="utf-8"))
    return {name: kind for kind, names in document.items() for name in names}
