"""Boxes as they travel along links, and what they are read from: front ends' editors, JSON texts, detections.

A box is ``{"x", "y", "width", "height"}`` in pixels, with a ``label``, ``score`` or ``metadata``. BOUNDING_BOX is one,
a list of them, or a list of such lists, one for each picture. An element, of a prompt for Ideogram, has ``bbox``
[top, left, bottom, right] in thousandths of the picture's sides.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.errors import InputInvalid

Box = Mapping[str, Any]
_SIDES = ("x", "y", "width", "height")
_GRID = 1000


@dataclass(frozen=True, slots=True)
class Region:
    """A part of a picture, in fractions of its sides, and what a prompt says of it."""

    x: float
    y: float
    width: float
    height: float
    is_text: bool = False
    text: str = ""
    description: str = ""
    palette: Sequence[str] = ()


def frames_of(boxes: Any) -> list[list[Box]]:
    """A list of boxes for each picture, at least for one."""
    if isinstance(boxes, Mapping):
        return [[boxes]]
    if not isinstance(boxes, list) or not boxes:
        return [[]]
    return [boxes] if isinstance(boxes[0], Mapping) else boxes


def per_picture(boxes: Any, count: int) -> list[list[Box]]:
    """The boxes of each of ``count`` pictures: one list is for all; pictures that have none get none."""
    frames = frames_of(boxes)
    if len(frames) == 1:
        frames = frames * count
    return [*frames, *([[]] * count)][:count]


def read(given: Any, width_px: int, height_px: int) -> list[dict[str, Any]]:
    """The boxes of one picture, of boxes, elements or a JSON text of these. Raises ``InputInvalid``."""
    if isinstance(given, str):
        try:
            given = json.loads(given) if given.strip() else []
        except ValueError as error:
            raise _wrong(f"it is no JSON: {error}") from error
    if given is None:
        return []
    if not isinstance(given, Mapping | list):
        raise _wrong(f"a {type(given).__name__} is neither boxes nor elements")
    items = [given] if isinstance(given, Mapping) else given
    if items and isinstance(items[0], list):
        items = items[0]  # A list for each picture: the first one's.
    elif items and isinstance(items[0], Mapping) and _is_element(items[0]):
        return [_box_of_element(item, width_px, height_px) for item in items if isinstance(item, Mapping)]
    elif items and not (isinstance(items[0], Mapping) and all(side in items[0] for side in _SIDES)):
        raise _wrong("its items are neither boxes nor elements")
    return [_plain(item) for item in items if isinstance(item, Mapping)]


def regions(boxes: Any, width_px: int, height_px: int) -> list[Region]:
    """What the boxes of one picture say."""
    return [
        _region(box, width_px or 1, height_px or 1)
        for box in (boxes if isinstance(boxes, list) else [])
        if isinstance(box, Mapping)
    ]


def in_pixels(region: Region, width_px: int, height_px: int) -> dict[str, int]:
    """The region as a plain box, whose sides are never negative."""
    left, top = min(region.x, region.x + region.width), min(region.y, region.y + region.height)
    return {
        "x": round(left * width_px),
        "y": round(top * height_px),
        "width": round(abs(region.width) * width_px),
        "height": round(abs(region.height) * height_px),
    }


def element(region: Region) -> dict[str, Any]:
    """The region as an element of a prompt."""
    top, bottom = sorted((_in_grid(region.y), _in_grid(region.y + region.height)))
    left, right = sorted((_in_grid(region.x), _in_grid(region.x + region.width)))
    made: dict[str, Any] = {"type": "text" if region.is_text else "obj", "bbox": [top, left, bottom, right]}
    if region.is_text:
        made["text"] = region.text
    made["desc"] = region.description
    if palette := palette_of(region.palette):
        made["color_palette"] = palette[:5]
    return made


def palette_of(colors: Any) -> list[str]:
    """Colours as front ends have them, in capitals: a list, or a mapping of names."""
    found = colors.values() if isinstance(colors, Mapping) else colors or ()
    return [color.upper() for color in found if isinstance(color, str) and color]


def _in_grid(fraction: float) -> int:
    return max(0, min(_GRID, round(fraction * _GRID)))


def _plain(box: Box) -> dict[str, Any]:
    made = {side: box.get(side, 0) for side in _SIDES}
    metadata = box.get("metadata")
    return {**made, "metadata": metadata} if isinstance(metadata, Mapping) else made


def _is_element(item: Box) -> bool:
    return isinstance(item.get("bbox"), list | tuple) and len(item["bbox"]) == 4


def _box_of_element(item: Box, width_px: int, height_px: int) -> dict[str, Any]:
    if not _is_element(item):
        raise _wrong("an element has no 'bbox' of four numbers")
    try:
        top, left, bottom, right = (float(side) / _GRID for side in item["bbox"])
    except (TypeError, ValueError) as error:
        raise _wrong("an element's 'bbox' is not four numbers") from error
    is_text = item.get("type") == "text"
    return {
        "x": round(min(left, right) * width_px),
        "y": round(min(top, bottom) * height_px),
        "width": round(abs(right - left) * width_px),
        "height": round(abs(bottom - top) * height_px),
        "metadata": {
            "type": "text" if is_text else "obj",
            "text": item.get("text", "") if is_text else "",
            "desc": item.get("desc", ""),
            "palette": item.get("color_palette", []) or [],
        },
    }


def _region(box: Box, width_px: int, height_px: int) -> Region:
    said = box.get("metadata")
    said = said if isinstance(said, Mapping) else {}
    return Region(
        x=box.get("x", 0) / width_px,
        y=box.get("y", 0) / height_px,
        width=box.get("width", 0) / width_px,
        height=box.get("height", 0) / height_px,
        is_text=said.get("type") == "text",
        text=said.get("text", "") or "",
        description=said.get("desc", "") or "",
        palette=tuple(color for color in said.get("palette") or () if color),
    )


def _wrong(message: str) -> InputInvalid:
    remedy = 'give boxes {"x", "y", "width", "height"}, or elements with "bbox": [top, left, bottom, right]'
    return InputInvalid(message, input="bboxes", remedy=remedy)
