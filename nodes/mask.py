"""Making and changing masks, and turning pictures into masks and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import lazy_loader as lazy

from engine.context import Context
from engine.errors import InputInvalid
from engine.inputs import MAX_SIDE_PX, Choice, Int
from engine.registry import node
from engine.types import Image, Mask
from nodes import memory, pictures
from nodes.picture_inputs import Color, Fraction, Offset, Side

if TYPE_CHECKING:
    import torch
else:
    torch = lazy.load("torch")


@node("SolidMask", category="mask", memory=memory.empty_mask)
def solid_mask(ctx: Context, *, value: Fraction = 1.0, width: Side = 512, height: Side = 512) -> Mask:
    """One value: float[1, height, width]."""
    return Mask(torch.full((1, height, width), value, dtype=torch.float32))


@node("InvertMask", category="mask")
def invert_mask(ctx: Context, *, mask: Mask) -> Mask:
    """1 - value."""
    return Mask(1.0 - mask.values)


@node("CropMask", category="mask")
def crop_mask(ctx: Context, *, mask: Mask, x: Offset = 0, y: Offset = 0, width: Side = 512, height: Side = 512) -> Mask:
    """The part from (x, y) on, in pixels, as far as the mask reaches. Raises ``InputInvalid`` where nothing is left."""
    values = mask.values[:, y : y + height, x : x + width]
    if values.numel() == 0:
        own_height, own_width = mask.values.shape[1:]
        raise InputInvalid(f"({x}, {y}) lies outside the mask, which is {own_width}x{own_height}", input="x")
    return Mask(values)


@node("MaskComposite", category="mask")
def composite_masks(
    ctx: Context,
    *,
    destination: Mask,
    source: Mask,
    x: Offset = 0,
    y: Offset = 0,
    operation: Annotated[str, Choice("multiply", "add", "subtract", "and", "or", "xor")],
) -> Mask:
    """``source`` combined with ``destination`` where it lies, at (x, y) in pixels; clamped to 0..1."""
    values = pictures.batch.fit_batch(source.values, len(destination.values))
    return Mask(pictures.masks.combine(destination.values, values, x, y, operation))


@node("FeatherMask", category="mask")
def feather_mask(
    ctx: Context, *, mask: Mask, left: Offset = 0, top: Offset = 0, right: Offset = 0, bottom: Offset = 0
) -> Mask:
    """Linear ramps over so many pixels at each side."""
    return Mask(pictures.masks.feather(mask.values, left, top, right, bottom))


@node("GrowMask", category="mask")
def grow_mask(
    ctx: Context,
    *,
    mask: Mask,
    expand: Annotated[int, Int(min=-MAX_SIDE_PX, max=MAX_SIDE_PX, step=1)] = 0,
    tapered_corners: bool = True,
) -> Mask:
    """Grown by so many pixels, or shrunk where negative; tapered corners keep it from becoming square."""
    return Mask(pictures.masks.grow(mask.values, expand, tapered_corners=tapered_corners))


@node("ThresholdMask", category="mask")
def threshold_mask(ctx: Context, *, mask: Mask, value: Fraction = 0.5) -> Mask:
    """1 where the mask is above ``value``, else 0."""
    return Mask((mask.values > value).float())


@node("MaskToImage", category="mask", display_name="Convert Mask to Image")
def mask_to_image(ctx: Context, *, mask: Mask) -> Image:
    """A grey picture."""
    return Image(mask.values.unsqueeze(-1).expand(-1, -1, -1, 3))


@node("ImageToMask", category="mask", display_name="Convert Image to Mask")
def image_to_mask(
    ctx: Context, *, image: Image, channel: Annotated[str, Choice("red", "green", "blue", "alpha")]
) -> Mask:
    """One channel, as it is. Raises ``InputInvalid`` for the alpha of a picture that has none."""
    index = ("red", "green", "blue", "alpha").index(channel)
    if index >= image.pixels.shape[-1]:
        raise InputInvalid(f"the picture has no {channel} channel", input="channel", remedy="choose red, green or blue")
    return Mask(image.pixels[..., index])


@node("ImageColorToMask", category="mask")
def color_to_mask(ctx: Context, *, image: Image, color: Color = 0) -> Mask:
    """1 where the picture has exactly this colour (0xRRGGBB), else 0."""
    return Mask(pictures.masks.of_color(image.pixels, color))
