"""Changing the size of pictures and masks, in whichever way is chosen."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from engine.context import Context
from engine.inputs import Choice, DynamicChoice, Float, Given, Matched, Wire
from engine.registry import node
from engine.types import Image, Mask
from nodes import pictures
from nodes.picture_inputs import Offset, ResizeMethod, Side

if TYPE_CHECKING:
    from torch import Tensor

_MEGAPIXEL = 1024 * 1024
_Picture = Annotated[Any, Matched("input_type", "IMAGE,MASK")]
_CROP = Given(Annotated[str, Choice("disabled", "center")], "center")
_SIDE = Given(Offset, 512)
_WAYS: Mapping[str, Mapping[str, Given]] = {
    "scale dimensions": {"width": _SIDE, "height": _SIDE, "crop": _CROP},
    "scale by multiplier": {"multiplier": Given(Annotated[float, Float(min=0.01, max=8.0, step=0.01)], 1.0)},
    "scale longer dimension": {"longer_size": _SIDE},
    "scale shorter dimension": {"shorter_size": _SIDE},
    "scale width": {"width": _SIDE},
    "scale height": {"height": _SIDE},
    "scale total pixels": {"megapixels": Given(Annotated[float, Float(min=0.01, max=16.0, step=0.01)], 1.0)},
    "match size": {"match": Given(Annotated[Any, Wire("IMAGE,MASK")]), "crop": _CROP},
    "scale to multiple": {"multiple": Given(Side, 8)},
}


def _resized_bytes(*, input: Image | Mask, resize_type: Mapping[str, Any], **_: object) -> int:
    """What the resized batch takes, made plane by plane and put together."""
    pixels = _with_channels(input)
    width, height = _size(pixels.shape[2], pixels.shape[1], resize_type)
    return 2 * pixels.shape[0] * pixels.shape[3] * width * height * pixels.element_size()


@node(
    "ResizeImageMaskNode",
    category="image/transform",
    display_name="Resize Image/Mask",
    output_names=("resized",),
    memory=_resized_bytes,
)
def resize(
    ctx: Context,
    *,
    input: _Picture,
    resize_type: Annotated[Mapping[str, Any], DynamicChoice(_WAYS)],
    scale_method: ResizeMethod = "area",
) -> _Picture:
    """Pictures or masks in another size.

    By width and height (one of them 0 keeps the aspect ratio, both keep the size), by a factor, by the longer or
    shorter side, to so many megapixels (1 is 1024 x 1024), to another one's size, or down to multiples of a number,
    for which as little as possible is cut off around the middle.
    """
    pixels = _with_channels(input)
    width, height = _size(pixels.shape[2], pixels.shape[1], resize_type)
    if resize_type["resize_type"] == "scale to multiple":
        made = _cut_to_multiple(pixels, resize_type["multiple"], scale_method)
    elif (width, height) == (0, 0):
        made = pixels
    else:
        crop = resize_type.get("crop") == "center"
        made = pictures.resize.to_size(pixels, width, height, scale_method, crop=crop)
    return Image(made) if isinstance(input, Image) else Mask(made.squeeze(-1))


def _with_channels(picture: Image | Mask) -> Tensor:
    return picture.pixels if isinstance(picture, Image) else picture.values.unsqueeze(-1)


def _size(width: int, height: int, way: Mapping[str, Any]) -> tuple[int, int]:
    """The size to come in pixels; (0, 0) for the one that the pictures have."""
    match way["resize_type"]:
        case "scale dimensions" | "scale width" | "scale height":
            return _kept_aspect(width, height, way.get("width", 0), way.get("height", 0))
        case "scale longer dimension":
            return pictures.resize.fit_side((width, height), way["longer_size"])
        case "scale shorter dimension":
            return _fit_shorter(width, height, way["shorter_size"])
        case "match size":
            like = _with_channels(way["match"])
            return like.shape[2], like.shape[1]
    factor = way.get("multiplier", 1.0)
    if "megapixels" in way:
        factor = math.sqrt(int(way["megapixels"] * _MEGAPIXEL) / (width * height))
    return round(width * factor), round(height * factor)


def _kept_aspect(width: int, height: int, new_width: int, new_height: int) -> tuple[int, int]:
    if new_width == 0 and new_height == 0:
        return 0, 0
    return (
        new_width or max(1, round(width * new_height / height)),
        new_height or max(1, round(height * new_width / width)),
    )


def _fit_shorter(width: int, height: int, shorter: int) -> tuple[int, int]:
    if height < width:
        return round(width / height * shorter), shorter
    return shorter, round(height / width * shorter) if width < height else shorter


def _cut_to_multiple(pixels: Tensor, multiple: int, method: str) -> Tensor:
    """Scaled to cover the next lower multiples, and cut around the middle; smaller ones than that stay as they are."""
    height, width = pixels.shape[1:3]
    to_width, to_height = width // multiple * multiple, height // multiple * multiple
    if 0 in (to_width, to_height) or (to_width, to_height) == (width, height):
        return pixels
    if to_width / width >= to_height / height:
        size = to_width, max(to_height, math.ceil(height * (to_width / width)))
    else:
        size = max(to_width, math.ceil(width * (to_height / height))), to_height
    x, y = (size[0] - to_width) // 2, (size[1] - to_height) // 2
    return pictures.resize.to_size(pixels, *size, method)[:, y : y + to_height, x : x + to_width]
