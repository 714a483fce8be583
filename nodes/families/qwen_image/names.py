"""Qwen-Image's files have the names of diffusers' module."""

from __future__ import annotations

from nodes.diffusion.name_map import NameMap, whole
from nodes.families.marks import Shapes


def name_map(shapes: Shapes) -> NameMap:
    """Each parameter by its own name."""
    return NameMap(native=whole((name, name) for name in shapes), prefixes=("transformer.",))
