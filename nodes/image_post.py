"""Filters on finished pictures: blends, blurs, palettes, colour planes, edges."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from engine.context import Context
from engine.inputs import Choice, Float, Int
from engine.registry import node
from engine.types import Image
from nodes import pictures
from nodes.picture_inputs import Fraction

Radius = Annotated[int, Int(min=1, max=31, step=1)]
Threshold = Annotated[float, Float(min=0.01, max=0.99, step=0.01)]


class Planes(NamedTuple):
    """Luma and the two chroma planes, each as a grey picture."""

    Y: Image
    U: Image
    V: Image


@node("ImageBlend", category="image/postprocessing")
def blend(
    ctx: Context,
    *,
    image1: Image,
    image2: Image,
    blend_factor: Fraction = 0.5,
    blend_mode: Annotated[str, Choice("normal", "multiply", "screen", "overlay", "soft_light", "difference")],
) -> Image:
    """The second picture blended over the first with weight ``blend_factor``; size is the first's."""
    return Image(pictures.colour.blend(image1.pixels, image2.pixels, blend_factor, blend_mode))


@node("ImageBlur", category="image/postprocessing")
def blur(
    ctx: Context,
    *,
    image: Image,
    blur_radius: Radius = 1,
    sigma: Annotated[float, Float(min=0.1, max=10.0, step=0.1)] = 1.0,
) -> Image:
    """Gaussian blur over ``blur_radius`` pixels; ``sigma`` is in units of the radius."""
    return Image(pictures.filters.blur(image.pixels, blur_radius, sigma))


@node("ImageSharpen", category="image/postprocessing")
def sharpen(
    ctx: Context,
    *,
    image: Image,
    sharpen_radius: Radius = 1,
    sigma: Annotated[float, Float(min=0.1, max=10.0, step=0.01)] = 1.0,
    alpha: Annotated[float, Float(min=0.0, max=5.0, step=0.01)] = 1.0,
) -> Image:
    """Unsharp mask of strength ``alpha`` over ``sharpen_radius`` pixels."""
    return Image(pictures.filters.sharpen(image.pixels, sharpen_radius, sigma, alpha))


@node("ImageQuantize", category="image/postprocessing")
def quantize(
    ctx: Context,
    *,
    image: Image,
    colors: Annotated[int, Int(min=1, max=256, step=1)] = 256,
    dither: Annotated[str, Choice("none", "floyd-steinberg", "bayer-2", "bayer-4", "bayer-8", "bayer-16")],
) -> Image:
    """At most so many colours, from a palette of the picture's own."""
    return Image(pictures.colour.quantize(image.pixels, colors, dither))


@node("Morphology", category="image/postprocessing", display_name="ImageMorphology")
def morphology(
    ctx: Context,
    *,
    image: Image,
    operation: Annotated[str, Choice("erode", "dilate", "open", "close", "gradient", "bottom_hat", "top_hat")],
    kernel_size: Annotated[int, Int(min=3, max=999, step=1)] = 3,
) -> Image:
    """Greyscale morphology with a square of ``kernel_size`` pixels."""
    return Image(pictures.filters.morph(image.pixels, operation, kernel_size))


@node("Canny", category="image/preprocessors")
def canny(ctx: Context, *, image: Image, low_threshold: Threshold = 0.4, high_threshold: Threshold = 0.8) -> Image:
    """White edges on black, found by Canny's method; what ControlNets for edges take."""
    return Image(pictures.filters.edges(image.pixels, low_threshold, high_threshold))


@node("ImageRGBToYUV", category="image/batch")
def rgb_to_yuv(ctx: Context, *, image: Image) -> Planes:
    """Luma and chroma (BT.601) as three grey pictures."""
    return Planes(*map(Image, pictures.colour.to_ycbcr(image.pixels)))


@node("ImageYUVToRGB", category="image/batch")
def yuv_to_rgb(ctx: Context, *, Y: Image, U: Image, V: Image) -> Image:
    """A colour picture from luma and chroma (BT.601)."""
    return Image(pictures.colour.from_ycbcr(Y.pixels, U.pixels, V.pixels))
