"""Texts of data sets: one after the other changed, or a whole list."""

from __future__ import annotations

from typing import Annotated

from engine.context import Context
from engine.inputs import Int
from engine.registry import node


@node("TextToLowercase", category="text", output_names=("texts",), experimental=True, deprecated=True)
def lowercase(ctx: Context, *, texts: str) -> str:
    """In small letters."""
    return texts.lower()


@node("TextToUppercase", category="text", output_names=("texts",), experimental=True, deprecated=True)
def uppercase(ctx: Context, *, texts: str) -> str:
    """In capitals."""
    return texts.upper()


@node("TruncateText", category="text", display_name="Truncate Text", output_names=("texts",), experimental=True)
def truncate(ctx: Context, *, texts: str, max_length: Annotated[int, Int(min=1, max=10000)] = 77) -> str:
    """The first ``max_length`` characters."""
    return texts[:max_length]


@node("AddTextPrefix", category="text", output_names=("texts",), experimental=True, deprecated=True)
def add_prefix(ctx: Context, *, texts: str, prefix: str = "") -> str:
    """With ``prefix`` before it."""
    return prefix + texts


@node("AddTextSuffix", category="text", output_names=("texts",), experimental=True, deprecated=True)
def add_suffix(ctx: Context, *, texts: str, suffix: str = "") -> str:
    """With ``suffix`` after it."""
    return texts + suffix


@node("ReplaceText", category="text", output_names=("texts",), experimental=True, deprecated=True)
def replace(ctx: Context, *, texts: str, find: str = "", replace: str = "") -> str:
    """Every occurrence of ``find`` replaced."""
    ctx.limits.check_text(len(texts) + texts.count(find) * (len(replace) - len(find)))
    return texts.replace(find, replace)


@node("StripWhitespace", category="text", output_names=("texts",), experimental=True, deprecated=True)
def strip(ctx: Context, *, texts: str) -> str:
    """Without white space at its ends."""
    return texts.strip()


@node(
    "MergeTextLists", category="text", output_names=("texts",), input_is_list=True, experimental=True, deprecated=True
)
def merge(ctx: Context, *, texts: list[str]) -> list[str]:
    """The whole list as one value, as in ComfyUI: nodes after it get a list, and are not called for each text."""
    return texts
