"""Saving pictures in more than 8 bits, vector graphics and texts."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from engine.context import Context
from engine.inputs import Choice, DynamicChoice, Given, Shown, Text, Wire
from engine.registry import node
from engine.types import Image
from nodes import media, pictures
from nodes.metadata import exr as exr_texts
from nodes.metadata import pictures as picture_texts
from nodes.metadata import svg as svg_texts
from nodes.picture_inputs import Prefix

Svg = Annotated[Any, Wire("SVG")]
"""What packs make: ``data`` is a list of ``BytesIO``, each an SVG document."""

_MEDIA_TYPES = {"txt": "text/plain", "csv": "text/csv", "md": "text/markdown", "json": "application/json"}


def _given(*values: str) -> Given:
    return Given(Annotated[str, Choice(*values), Shown(advanced=True)], values[0])


_FORMATS: Mapping[str, Mapping[str, Given]] = {
    "png": {"bit_depth": _given("8-bit", "16-bit"), "input_color_space": _given("sRGB")},
    "exr": {"bit_depth": _given("32-bit float"), "input_color_space": _given("sRGB", "HDR", "linear")},
}


@node(
    "SaveImageAdvanced",
    category="image",
    display_name="Save Image (Advanced)",
    output_node=True,
    aside=True,
    output_names=("images",),
    essentials_category="Basics",
)
def save_image(
    ctx: Context,
    *,
    images: Image,
    filename_prefix: Prefix = "ComfyUI",
    format: Annotated[Mapping[str, Any], DynamicChoice(_FORMATS)],
) -> Image:
    """PNG of 8 or 16 bits, or EXR, which holds scene light: a file for each picture, with the workflow in it.

    ``input_color_space`` is the pictures' own: sRGB, HLG (HDR), or light already (linear).
    """
    width, height = media.images.size_of(images)
    series = ctx.files(filename_prefix, width_px=width, height_px=height)
    for picture in media.images.pictures_of(images, ctx):
        write = _writer(format, picture, ctx.check_cancelled)
        if format["format"] == "exr":
            made = series.save(".exr", "image/x-exr", write, exr_texts.embed)
        else:
            made = series.save(".png", "image/png", write, picture_texts.png)
        ctx.show("images", made)
    return images


@node("SaveText", category="text", display_name="Save Text", output_node=True, aside=True, output_names=("text",))
def save_text(
    ctx: Context,
    *,
    text: Annotated[str, Text(force_input=True)],
    filename_prefix: Prefix = "ComfyUI",
    format: Annotated[str, Choice(*_MEDIA_TYPES)] = "txt",
) -> str:
    """A text file in the output folder; JSON is indented by 2, where it is JSON. The text is shown and handed on."""
    written = _indented(text) if format == "json" else text
    write = partial(_write_text, text=written)
    ctx.show("files", ctx.files(filename_prefix).save(f".{format}", _MEDIA_TYPES[format], write))
    ctx.show("text", text)
    return text


@node(
    "SaveSVGNode",
    category="image",
    display_name="Save SVG",
    output_node=True,
    aside=True,
    output_names=("svg",),
    search_aliases=("export vector", "save vector graphics"),
)
def save_svg(ctx: Context, *, svg: Svg, filename_prefix: Prefix = "svg/ComfyUI") -> Svg:
    """Vector graphics, a file each, with the workflow in them. They are handed on."""
    series = ctx.files(filename_prefix)
    for drawn in svg.data:
        write = partial(_write_text, text=drawn.getvalue().decode("utf-8"))
        ctx.show("images", series.save(".svg", "image/svg+xml", write, svg_texts.embed))
    return svg


def _writer(format: Mapping[str, Any], picture: Any, check_cancelled: Callable[[], None]) -> Callable[[Path], None]:
    if format["format"] == "exr":
        pixels = media.images.floats_of(picture)
        return partial(pictures.deep.exr, pixels=pixels, color_space=format["input_color_space"])
    if format["bit_depth"] == "16-bit":
        return partial(pictures.deep.png16, pixels=media.images.floats_of(picture))
    return partial(pictures.encode.png, pixels=picture, check_cancelled=check_cancelled)


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", errors="replace", newline="")


def _indented(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text
