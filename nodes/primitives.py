"""Values that are typed in once and linked to several inputs."""

from __future__ import annotations

import sys
from typing import Annotated

from engine.context import Context
from engine.inputs import Float, Int
from engine.registry import node
from nodes.picture_inputs import Lines


@node("PrimitiveInt", category="utils/primitive", display_name="Int")
def primitive_int(
    ctx: Context, *, value: Annotated[int, Int(min=-sys.maxsize, max=sys.maxsize, control_after_generate=True)]
) -> int:
    """A whole number."""
    return value


@node("SeedNode", category="utilities", display_name="Seed", output_names=("seed",))
def seed(ctx: Context, *, seed: Annotated[int, Int(min=0, max=sys.maxsize, control_after_generate="fixed")]) -> int:
    """A seed."""
    return seed


@node("PrimitiveFloat", category="utils/primitive", display_name="Float")
def primitive_float(ctx: Context, *, value: Annotated[float, Float(min=-sys.maxsize, max=sys.maxsize)]) -> float:
    """A number."""
    return value


@node("PrimitiveString", category="utils/primitive", display_name="String")
def primitive_string(ctx: Context, *, value: str) -> str:
    """A line of text."""
    return value


@node("PrimitiveStringMultiline", category="utils/primitive", display_name="String (Multiline)")
def primitive_string_multiline(ctx: Context, *, value: Lines) -> str:
    """A text of several lines."""
    return value


@node("PrimitiveBoolean", category="utils/primitive", display_name="Boolean")
def primitive_boolean(ctx: Context, *, value: bool) -> bool:
    """True or false."""
    return value
