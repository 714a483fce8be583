"""Colours and curves that are picked or drawn in editors of their own, and histograms to draw them over."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import lazy_loader as lazy

from engine.context import Context
from engine.errors import InputInvalid
from engine.inputs import Edited, Shown, Wire
from engine.registry import node
from engine.types import Image
from nodes.colours import rgb_levels

if TYPE_CHECKING:
    import torch
    from torch import Tensor
else:
    torch = lazy.load("torch")

Color = Annotated[str, Edited("COLOR"), Shown(socketless=True)]
_Histogram = Annotated[list[int], Wire("HISTOGRAM")]
_STRAIGHT = {"points": [[0.0, 0.0], [1.0, 1.0]], "interpolation": "monotone_cubic"}
_BT709 = (0.2126, 0.7152, 0.0722)


class PickedColor(NamedTuple):
    """One colour as a number, as a text and its opacity, 0..1."""

    rgb_int: int
    hex: Annotated[str, Wire("COLOR")]
    alpha: float


class Histograms(NamedTuple):
    """How many pixels have each of 256 levels: of all three colours on average, of the brightness, of each colour."""

    rgb: _Histogram
    luminance: _Histogram
    red: _Histogram
    green: _Histogram
    blue: _Histogram


@node("ColorToRGBInt", category="utilities", display_name="Color Picker")
def pick_color(ctx: Context, *, color: Color = "#ffffff") -> PickedColor:
    """A colour, ``#rrggbb`` or ``#rrggbbaa``."""
    if not re.fullmatch(r"#([0-9a-fA-F]{6})([0-9a-fA-F]{2})?", color):
        raise InputInvalid(f"'{color[:40]}' is no colour", input="color", remedy="write #rrggbb or #rrggbbaa")
    red, green, blue = rgb_levels(color[:7])
    return PickedColor(red << 16 | green << 8 | blue, color[:7], int(color[7:] or "ff", 16) / 255)


@node(
    "CurveEditor", category="utilities", display_name="Curve Editor", intermediate_output=True, output_names=("curve",)
)
def edit_curve(
    ctx: Context,
    *,
    curve: Annotated[Any, Edited("CURVE"), Shown(socketless=True)] = _STRAIGHT,
    histogram: Annotated[list[int], Wire("HISTOGRAM", optional=True)] | None = None,
) -> Annotated[Mapping[str, Any], Wire("CURVE")]:
    """A curve through points (x, y), sorted by x; ``interpolation`` is ``monotone_cubic`` or ``linear``."""
    points, interpolation = (curve["points"], curve.get("interpolation")) if isinstance(curve, Mapping) else (curve, "")
    if histogram is not None:
        ctx.show("histogram", *histogram)
    way = "linear" if interpolation == "linear" else "monotone_cubic"
    return {"points": sorted(([float(x), float(y)] for x, y in points), key=_first), "interpolation": way}


@node("ImageHistogram", category="utilities", display_name="Image Histogram")
def histogram(ctx: Context, *, image: Image) -> Histograms:
    """How the first picture's levels are distributed; brightness by ITU-R BT.709."""
    pixels = image.pixels[0, ..., :3]
    colors = [_counts(pixels[..., channel]) for channel in range(3)]
    weighted = [share * pixels[..., channel] for channel, share in enumerate(_BT709)]
    brightness = _counts(weighted[0] + weighted[1] + weighted[2])
    return Histograms(
        ((colors[0] + colors[1] + colors[2]) // 3).tolist(),
        brightness.tolist(),
        *(counts.tolist() for counts in colors),
    )


def _counts(values: Tensor) -> Tensor:
    return torch.bincount((values * 255).clamp(0, 255).to(torch.uint8).flatten(), minlength=256)


def _first(point: Sequence[float]) -> float:
    return point[0]
