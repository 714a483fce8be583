"""Showing any value as text."""

from __future__ import annotations

import json

from engine.context import Context
from engine.inputs import Anything
from engine.registry import node


@node("PreviewAny", category="utils", display_name="Preview Any", output_node=True)
def preview_any(ctx: Context, *, source: Anything) -> None:
    """The value as text: strings as they are, numbers as Python writes them, what JSON can hold as JSON."""
    if isinstance(source, str):
        text = source
    elif source is None or isinstance(source, bool | int | float):
        text = str(source)
    else:
        try:
            text = json.dumps(source)
        except (TypeError, ValueError):
            text = str(source)
    ctx.show("text", text)
