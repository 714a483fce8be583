"""Making pictures, and putting pictures, batches and alpha channels together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import lazy_loader as lazy

from engine.context import Context
from engine.errors import InputInvalid
from engine.inputs import Choice, Count, Grow, Growing, Seed
from engine.registry import node
from engine.types import Image, Mask
from nodes import memory, pictures
from nodes.batches import PlaceInBatch, place_in_batch
from nodes.picture_inputs import Border, Color, Fraction, Offset, Side

if TYPE_CHECKING:
    import torch
else:
    torch = lazy.load("torch")

PORTER_DUFF_MODES = (
    *("ADD", "CLEAR", "DARKEN", "DST", "DST_ATOP", "DST_IN", "DST_OUT", "DST_OVER", "LIGHTEN", "MULTIPLY"),
    *("OVERLAY", "SCREEN", "SRC", "SRC_ATOP", "SRC_IN", "SRC_OUT", "SRC_OVER", "XOR"),
)


class ImageAndMask(NamedTuple):
    """A picture and a mask that belongs to it."""

    IMAGE: Image
    MASK: Mask


class Size(NamedTuple):
    """Width and height in pixels, and how many pictures there are."""

    width: int
    height: int
    batch_size: int


@node("EmptyImage", category="image", memory=memory.empty_image)
def empty_image(
    ctx: Context, *, width: Side = 512, height: Side = 512, batch_size: Count = 1, color: Color = 0
) -> Image:
    """One colour, 0xRRGGBB: float[batch, height, width, 3]."""
    rgb = torch.tensor([(color >> shift & 0xFF) / 0xFF for shift in (16, 8, 0)])
    return Image(rgb.repeat(batch_size, height, width, 1))


@node("ImageInvert", category="image", display_name="Invert Image")
def invert(ctx: Context, *, image: Image) -> Image:
    """1 - value, in every channel."""
    return Image(1.0 - image.pixels)


@node("ImageBatch", category="image", display_name="Batch Images", memory=memory.two_images)
def batch_two(ctx: Context, *, image1: Image, image2: Image) -> Image:
    """Both batches in one; the second is cropped and resized (bilinear) to the first's size."""
    return Image(pictures.resize.joined([image1.pixels, image2.pixels]))


@node(
    "BatchImagesNode",
    category="image/batch",
    display_name="Batch Images",
    essentials_category="Image Tools",
    memory=memory.many_images,
)
def batch_images(ctx: Context, *, images: Annotated[Grow[Image], Growing(max=50)]) -> Image:
    """All batches in one; they are cropped and resized to the first's size."""
    return Image(pictures.resize.joined([image.pixels for image in images.values()]))


@node("BatchMasksNode", category="image/mask", display_name="Batch Masks", memory=memory.many_masks)
def batch_masks(ctx: Context, *, masks: Annotated[Grow[Mask], Growing(max=50)]) -> Mask:
    """All masks in one batch; they are cropped and resized to the first's size."""
    return Mask(pictures.resize.joined([mask.values.unsqueeze(-1) for mask in masks.values()]).squeeze(-1))


@node("ImageFromBatch", category="image/batch")
def from_batch(
    ctx: Context,
    *,
    image: Image,
    batch_index: PlaceInBatch = 0,
    length: Count = 1,
) -> Image:
    """``length`` pictures from number ``batch_index`` on (below 0 it counts from the end), or as many as there are."""
    start = place_in_batch(batch_index, len(image.pixels))
    return Image(image.pixels[start : start + length].clone())


@node("RepeatImageBatch", category="image/batch", memory=memory.repeated_image)
def repeat_batch(ctx: Context, *, image: Image, amount: Count = 1) -> Image:
    """The whole batch, ``amount`` times over."""
    return Image(image.pixels.repeat(amount, 1, 1, 1))


@node(
    "RebatchImages",
    category="image/batch",
    display_name="Rebatch Images",
    input_is_list=True,
    output_is_list=(True,),
)
def rebatch(ctx: Context, *, images: list[Image], batch_size: list[Count] = 1) -> list[Image]:  # type: ignore[assignment]
    """All pictures of a list, as a list of batches of ``batch_size``; the last may be smaller."""
    singles = [picture[None] for image in images for picture in image.pixels]
    size = batch_size[0]
    return [Image(torch.cat(singles[i : i + size])) for i in range(0, len(singles), size)]


@node("GetImageSize", category="image", display_name="Get Image Size")
def get_size(ctx: Context, *, image: Image) -> Size:
    """Width and height in pixels, and the number of pictures."""
    count, height, width = image.pixels.shape[:3]
    return Size(width, height, count)


@node("ImageCompositeMasked", category="image")
def composite_masked(
    ctx: Context,
    *,
    destination: Image,
    source: Image,
    x: Offset = 0,
    y: Offset = 0,
    resize_source: bool = False,
    mask: Mask | None = None,
) -> Image:
    """``source`` drawn over ``destination`` at (x, y) where the mask is 1; the size is the destination's.

    ``resize_source`` stretches the source to the destination first; the mask is stretched to the source.
    """
    drawn = source.pixels
    if resize_source:
        height, width = destination.pixels.shape[1:3]
        drawn = pictures.resize.to_size(drawn, width, height, "bilinear")
    values = None if mask is None else mask.values
    return Image(pictures.draw.composite(destination.pixels, drawn, x, y, values))


@node("ImagePadForOutpaint", category="image", display_name="Pad Image for Outpainting", memory=memory.padded_image)
def pad_for_outpaint(
    ctx: Context,
    *,
    image: Image,
    left: Border = 0,
    top: Border = 0,
    right: Border = 0,
    bottom: Border = 0,
    feathering: Offset = 40,
) -> ImageAndMask:
    """Grey borders, in pixels, and the mask of what is to be painted, fading ``feathering`` pixels into the picture."""
    padded, mask = pictures.draw.pad_for_outpaint(image.pixels, left, top, right, bottom, feathering)
    return ImageAndMask(Image(padded), Mask(mask))


@node("ImageAddNoise", category="image")
def add_noise(ctx: Context, *, image: Image, seed: Seed = 0, strength: Fraction = 0.5) -> Image:
    """Gaussian noise times ``strength`` added, clipped to 0..1. The noise is torch's CPU sequence for ``seed``."""
    noise = torch.randn(image.pixels.shape, generator=torch.Generator().manual_seed(seed))
    return Image((image.pixels + strength * noise).clamp(0.0, 1.0))


@node(
    "JoinImageWithAlpha",
    category="mask/compositing",
    display_name="Join Image with Alpha",
    memory=memory.image_with_alpha,
)
def join_alpha(ctx: Context, *, image: Image, alpha: Mask) -> Image:
    """Four channels: alpha is 1 - mask, the mask resized to the picture; the smaller batch is repeated."""
    count = max(len(image.pixels), len(alpha.values))
    height, width = image.pixels.shape[1:3]
    pixels = pictures.batch.fit_batch(image.pixels, count)
    mask = pictures.resize.mask_to_size(pictures.batch.fit_batch(alpha.values, count), width, height)
    return Image(torch.cat([pixels[..., :3], 1.0 - mask.unsqueeze(-1)], dim=-1))


@node("SplitImageWithAlpha", category="mask/compositing", display_name="Split Image with Alpha")
def split_alpha(ctx: Context, *, image: Image) -> ImageAndMask:
    """The colours, and 1 - alpha as a mask (0 where there is no alpha)."""
    alpha = pictures.batch.opaque(image.pixels, 4)[..., 3]
    return ImageAndMask(Image(image.pixels[..., :3]), Mask(1.0 - alpha))


@node("PorterDuffImageComposite", category="mask/compositing", display_name="Porter-Duff Image Composite")
def porter_duff(
    ctx: Context,
    *,
    source: Image,
    source_alpha: Mask,
    destination: Image,
    destination_alpha: Mask,
    mode: Annotated[str, Choice(*PORTER_DUFF_MODES)] = "DST",
) -> ImageAndMask:
    """Composite two pictures with alpha (as masks, 1 = transparent). All is cropped and resized to the destination."""
    count = min(
        len(value) for value in (source.pixels, source_alpha.values, destination.pixels, destination_alpha.values)
    )
    below = destination.pixels[:count]
    if source.pixels.shape[-1] != below.shape[-1]:
        raise InputInvalid("source and destination differ in their number of channels", input="source")
    height, width = below.shape[1:3]

    def fit(pixels: Any) -> torch.Tensor:
        fits = pixels.shape[1:3] == (height, width)
        return pixels if fits else pictures.resize.to_size(pixels, width, height, "bicubic", crop=True)

    masks = [fit(mask.values[:count].unsqueeze(-1)).squeeze(-1) for mask in (source_alpha, destination_alpha)]
    pixels, mask = pictures.draw.porter_duff(fit(source.pixels[:count]), masks[0], below, masks[1], mode)
    return ImageAndMask(Image(pixels), Mask(mask))
