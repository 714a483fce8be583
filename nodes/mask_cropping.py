"""Cutting pictures to what a mask shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import lazy_loader as lazy

from engine.context import Context
from engine.errors import InputInvalid
from engine.inputs import Float, Int
from engine.registry import node
from engine.types import Image, Mask
from nodes import memory, pictures
from nodes.colour_inputs import Color

if TYPE_CHECKING:
    import torch
else:
    torch = lazy.load("torch")

_Side = Annotated[int, Int(min=64, max=4096, step=8)]


@node(
    "ImageCropToMask",
    category="image/transform",
    display_name="Crop Image to Mask",
    output_names=("images",),
    memory=memory.cropped_images,
    search_aliases=("crop to mask", "mask crop", "crop mask", "mask crop resize", "crop mask resize"),
)
def crop_to_mask(
    ctx: Context,
    *,
    images: Image,
    masks: Mask,
    width: _Side = 1024,
    height: _Side = 1024,
    pad_factor: Annotated[float, Float(min=1.0, max=2.0, step=0.01)] = 1.0,
    grow_mask: Annotated[int, Int(min=-32, max=32, step=1)] = 0,
    background: Color = "#000000",
) -> Image:
    """What the masks show, in the middle of pictures of width x height, on a plain background."""
    count = len(images.pixels)
    values = masks.values.expand(count, -1, -1) if len(masks.values) == 1 else masks.values
    if len(values) != count:
        raise InputInvalid(
            f"{len(values)} masks do not fit {count} pictures", input="masks", remedy="give one mask, or one a picture"
        )
    if values.shape[1:] != images.pixels.shape[1:3]:
        values = pictures.resize.mask_to_size(values, images.pixels.shape[2], images.pixels.shape[1])
    cut = pictures.mask_cropping.Cut(width, height, pad_factor, grow_mask, _ground(background))
    cropped = []
    for done, (picture, mask) in enumerate(zip(images.pixels[..., :3], values, strict=True)):
        cropped.append(pictures.mask_cropping.cut_to_mask(picture, mask, cut))
        ctx.progress(done + 1, count)
    return Image(torch.stack(cropped))


def _ground(color: str) -> tuple[float, float, float]:
    """The colour of ``#rrggbb``; black for anything else."""
    digits = color.lstrip("#")
    try:
        red, green, blue = bytes.fromhex(digits) if len(digits) == 6 else b"\0\0\0"
    except ValueError as error:
        raise InputInvalid(f"'{color}' is no colour", input="background", remedy="write it as #rrggbb") from error
    return red / 255, green / 255, blue / 255
