"""Changing a picture's size and orientation."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

import lazy_loader as lazy

from engine.context import Context
from engine.inputs import Choice, Float, Int
from engine.registry import node
from engine.types import Image
from nodes import memory, pictures
from nodes.picture_inputs import Offset, ResizeMethod, Side

if TYPE_CHECKING:
    import torch
else:
    torch = lazy.load("torch")

_MEGAPIXEL = 1024 * 1024
_RGB = {
    "white": (1.0, 1.0, 1.0),
    "black": (0.0, 0.0, 0.0),
    "red": (1.0, 0.0, 0.0),
    "green": (0.0, 1.0, 0.0),
    "blue": (0.0, 0.0, 1.0),
}


@node("ImageScale", category="image/upscaling", display_name="Upscale Image", memory=memory.image_of_size)
def scale(
    ctx: Context,
    *,
    image: Image,
    upscale_method: ResizeMethod,
    width: Offset = 512,
    height: Offset = 512,
    crop: Annotated[str, Choice("disabled", "center")],
) -> Image:
    """Resize to width x height pixels. One side 0 keeps the aspect ratio; both 0 keep the picture."""
    own_height, own_width = image.pixels.shape[1:3]
    if width == 0 and height == 0:
        return image
    width = width or max(1, round(own_width * height / own_height))
    height = height or max(1, round(own_height * width / own_width))
    return Image(pictures.resize.to_size(image.pixels, width, height, upscale_method, crop=crop == "center"))


@node("ImageScaleBy", category="image/upscaling", display_name="Upscale Image By", memory=memory.scaled_image)
def scale_by(
    ctx: Context,
    *,
    image: Image,
    upscale_method: ResizeMethod,
    scale_by: Annotated[float, Float(min=0.01, max=8.0, step=0.01)] = 1.0,
) -> Image:
    """Resize both sides by a factor."""
    height, width = (round(side * scale_by) for side in image.pixels.shape[1:3])
    return Image(pictures.resize.to_size(image.pixels, width, height, upscale_method))


@node("ImageScaleToTotalPixels", category="image/upscaling", memory=memory.image_of_megapixels)
def scale_to_total_pixels(
    ctx: Context,
    *,
    image: Image,
    upscale_method: ResizeMethod,
    megapixels: Annotated[float, Float(min=0.01, max=16.0, step=0.01)] = 1.0,
    resolution_steps: Annotated[int, Int(min=1, max=256)] = 1,
) -> Image:
    """Resize to about so many megapixels (1 is 1024 x 1024), keeping the aspect ratio.

    Each side is the nearest multiple of ``resolution_steps``, and at least one of them.
    """
    height, width = image.pixels.shape[1:3]
    factor = math.sqrt(megapixels * _MEGAPIXEL / (width * height))
    new_width, new_height = (
        max(round(side * factor / resolution_steps), 1) * resolution_steps for side in (width, height)
    )
    return Image(pictures.resize.to_size(image.pixels, new_width, new_height, upscale_method))


@node("ImageScaleToMaxDimension", category="image/upscaling", memory=memory.fitted_image)
def scale_to_max_dimension(
    ctx: Context,
    *,
    image: Image,
    # ComfyUI lists bilinear twice.
    upscale_method: Annotated[str, Choice("area", "lanczos", "bilinear", "nearest-exact", "bilinear", "bicubic")],
    largest_size: Offset = 512,
) -> Image:
    """Resize so that the longer side has ``largest_size`` pixels, keeping the aspect ratio."""
    height, width = image.pixels.shape[1:3]
    size = pictures.resize.fit_side((width, height), largest_size)
    return Image(pictures.resize.to_size(image.pixels, *size, upscale_method))


@node("ImageCrop", category="image/transform", display_name="Image Crop")
def crop(ctx: Context, *, image: Image, width: Side = 512, height: Side = 512, x: Offset = 0, y: Offset = 0) -> Image:
    """The part from (x, y) on, in pixels, as far as the picture reaches."""
    x, y = min(x, image.pixels.shape[2] - 1), min(y, image.pixels.shape[1] - 1)
    return Image(image.pixels[:, y : y + height, x : x + width])


@node("ImageFlip", category="image/transform")
def flip(
    ctx: Context,
    *,
    image: Image,
    flip_method: Annotated[str, Choice("x-axis: vertically", "y-axis: horizontally")],
) -> Image:
    """Mirror upside down (x axis) or left to right (y axis)."""
    return Image(image.pixels.flip(1 if flip_method.startswith("x") else 2))


@node("ImageRotate", category="image/transform")
def rotate(
    ctx: Context,
    *,
    image: Image,
    rotation: Annotated[str, Choice("none", "90 degrees", "180 degrees", "270 degrees")],
) -> Image:
    """Turn clockwise."""
    quarters = 0 if rotation == "none" else int(rotation.split()[0]) // 90
    return Image(torch.rot90(image.pixels, quarters, dims=[2, 1]))


@node("ImageStitch", category="image/transform", display_name="Image Stitch", memory=memory.stitched_images)
def stitch(
    ctx: Context,
    *,
    image1: Image,
    direction: Annotated[str, Choice("right", "down", "left", "up")] = "right",
    match_image_size: bool = True,
    spacing_width: Annotated[int, Int(min=0, max=1024, step=2)] = 0,
    spacing_color: Annotated[str, Choice("white", "black", "red", "green", "blue")] = "white",
    image2: Image | None = None,
) -> Image:
    """The second picture beside the first, with a coloured gap of so many pixels; the first alone without a second."""
    if image2 is None:
        return image1
    return Image(
        pictures.draw.stitch(
            image1.pixels,
            image2.pixels,
            direction,
            match_size=match_image_size,
            gap_px=spacing_width,
            color=_RGB[spacing_color],
        )
    )


@node("ResizeAndPadImage", category="image/transform", memory=memory.framed_image)
def resize_and_pad(
    ctx: Context,
    *,
    image: Image,
    target_width: Side = 512,
    target_height: Side = 512,
    padding_color: Annotated[str, Choice("white", "black")],
    interpolation: Annotated[str, Choice("area", "bicubic", "nearest-exact", "bilinear", "lanczos")],
) -> Image:
    """Fit into a frame of this size in pixels, keeping the aspect ratio, centred on white or black."""
    fill = _RGB[padding_color][0]
    return Image(pictures.draw.fit_into(image.pixels, target_width, target_height, interpolation, fill))
