"""Showing any value as text."""

from __future__ import annotations

from engine.context import Context
from engine.inputs import Anything
from engine.registry import node
from nodes import shown_values


@node("PreviewAny", category="utilities", display_name="Preview as Text", output_node=True)
def preview_any(ctx: Context, *, source: Anything) -> str:
    """The value as text, which is shown and handed on."""
    text = shown_values.as_text(source)
    ctx.show("text", text)
    return text
