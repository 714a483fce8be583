"""JSON: values out of it, texts of it, and prompts that are written in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

from engine.context import Context
from engine.inputs import DynamicChoice, Edited, Given, Int, Shown, Text, Wire
from engine.registry import node
from nodes import box_values
from nodes.picture_inputs import Lines

_Dictionary = Annotated[Mapping[str, Any], Wire("DICT")]
_Array = Annotated[list[Any], Wire("ARRAY")]
_Indent = Annotated[int, Int(min=0, max=8)]
_LINE = Given(Annotated[str, Text()], "")


@node("JsonExtractString", category="text", display_name="Extract Text from JSON")
def extract(ctx: Context, *, json_string: Lines, key: str) -> str:
    """An object's value as a text (of texts and numbers, themselves); empty where there is none, or no JSON."""
    try:
        found = json.loads(json_string)
    except (ValueError, RecursionError):
        return ""
    value = found.get(key) if isinstance(found, dict) else None
    return "" if value is None else str(value)


@node("ConvertDictionaryToString", category="text", display_name="Convert Dictionary to String")
def dictionary_to_text(ctx: Context, *, dictionary: _Dictionary, indent: _Indent = 2) -> str:
    """JSON, ``indent`` spaces a level; 0: in one line."""
    return _dumped(dictionary, indent)


@node("ConvertArrayToString", category="text", display_name="Convert Array to String")
def array_to_text(ctx: Context, *, array: _Array, indent: _Indent = 2) -> str:
    """JSON, ``indent`` spaces a level; 0: in one line."""
    return _dumped(array, indent)


@node(
    "BuildJsonPromptIdeogram",
    category="text",
    display_name="Build JSON Prompt (Ideogram)",
    experimental=True,
    output_names=("prompt",),
)
def ideogram_prompt(
    ctx: Context,
    *,
    element: _Array,
    high_level_description: Lines = "",
    background: Lines = "",
    style: Annotated[
        Mapping[str, Any], DynamicChoice({"none": {}, "photo": {"photo": _LINE}, "art_style": {"art_style": _LINE}})
    ],
    aesthetics: str = "",
    lighting: str = "",
    medium: str = "",
    color_palette: Annotated[Any, Edited("COLORS"), Shown(socketless=False)] = [],  # noqa: B006 - nobody writes to it
) -> _Dictionary:
    """A prompt for Ideogram 4: what the picture shows, in which style, and the elements in it."""
    made: dict[str, Any] = {}
    if high_level_description.strip():
        made["high_level_description"] = high_level_description
    if style["style"] != "none":
        made["style_description"] = _style(style, aesthetics, lighting, medium, box_values.palette_of(color_palette))
    made["compositional_deconstruction"] = {"background": background, "elements": element}
    return made


def _style(style: Mapping[str, Any], aesthetics: str, lighting: str, medium: str, palette: list[str]) -> dict[str, Any]:
    """In the order in which the model was trained to read it."""
    own = {"photo": style["photo"], "medium": medium} if style["style"] == "photo" else None
    own = own or {"medium": medium, "art_style": style["art_style"]}
    colors = {"color_palette": palette} if palette else {}
    return {"aesthetics": aesthetics, "lighting": lighting, **own, **colors}


def _dumped(value: Any, indent: int) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent or None)
