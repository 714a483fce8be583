"""Reading pictures from files and texts, and saving and showing them."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import lazy_loader as lazy

from engine.context import Context
from engine.encoded import Series
from engine.events import NodePreview
from engine.folders import annotated
from engine.inputs import Choice, FileChoice, Float, Int, Text, Wire
from engine.registry import node
from engine.types import Image, Mask
from nodes import media, memory, pictures
from nodes.image import ImageAndMask
from nodes.metadata import pictures as texts
from nodes.picture_inputs import Prefix

if TYPE_CHECKING:
    import torch
else:
    torch = lazy.load("torch")

WEBP_METHODS = {"default": 4, "fastest": 0, "slowest": 6}
PictureFile = Annotated[str, FileChoice("input", upload="image", allow_data_url=True)]
Base64 = Annotated[str, Text(multiline=False)]
FrameRate = Annotated[float, Float(min=0.01, max=1000.0, step=0.01)]


@node("LoadImage", category="image", display_name="Load Image", aside=True)
def load_image(ctx: Context, *, image: PictureFile) -> ImageAndMask:
    """A picture of the input folder (``name [output]`` names the output folder's) or a base64 data URL.

    float[frames, height, width, 3] and the mask 1 - alpha; 64x64 zeros where there is no alpha. A film gives all.
    """
    return _read(ctx, media.named_pictures.find(ctx.folders, image))


@node("LoadImageOutput", category="image", display_name="Load Image (from Outputs)", experimental=True, aside=True)
def load_image_output(
    ctx: Context, *, image: Annotated[str, FileChoice("output", upload="image", allow_data_url=True)]
) -> ImageAndMask:
    """A picture of the output folder, named ``name [output]`` or ``name``; see LoadImage."""
    whole = image.startswith("data:") or annotated(image)[1]
    return _read(ctx, media.named_pictures.find(ctx.folders, image if whole else f"{image} [output]"))


@node("LoadImageMask", category="mask", display_name="Load Image (as Mask)", aside=True)
def load_image_mask(
    ctx: Context, *, image: PictureFile, channel: Annotated[str, Choice("alpha", "red", "green", "blue")]
) -> Mask:
    """One channel of a picture file, the alpha as 1 - alpha: float[frames, height, width]."""
    return Mask(media.stills.read_channel(media.named_pictures.find(ctx.folders, image), channel, ctx, ctx.hdr))


@node("ETN_LoadImageBase64", category="external_tooling", display_name="Load Image (Base64)", aside=True)
def load_image_base64(ctx: Context, *, image: Base64) -> ImageAndMask:
    """A picture from base64 text, with or without ``data:...;base64,`` before it; see LoadImage."""
    return _read(ctx, media.named_pictures.from_base64(image, input="image"))


@node("ETN_LoadMaskBase64", category="external_tooling", display_name="Load Mask (Base64)", aside=True)
def load_mask_base64(ctx: Context, *, mask: Base64) -> Mask:
    """A mask from a picture as base64 text: its red (or grey) channel, float[frames, height, width]."""
    return Mask(media.stills.read_channel(media.named_pictures.from_base64(mask, input="mask"), "red", ctx))


@node(
    "SaveImage",
    category="image",
    display_name="Save Image",
    output_node=True,
    aside=True,
    output_names=("images",),
    disk=memory.PNG_SHARE,
)
def save_image(ctx: Context, *, images: Image, filename_prefix: Prefix = "ComfyUI") -> Image:
    """PNG files in the output folder, the workflow in their text chunks."""
    _save_png(ctx, images, _series(ctx, filename_prefix, images))
    return images


@node(
    "PreviewImage",
    category="image",
    display_name="Preview Image",
    output_node=True,
    aside=True,
    output_names=("images",),
)
def preview_image(ctx: Context, *, images: Image) -> Image:
    """PNG files in the temp folder."""
    show_preview(ctx, images)
    return images


@node(
    "MaskPreview",
    category="image/mask",
    display_name="Preview Mask",
    output_node=True,
    aside=True,
    output_names=("mask",),
)
def preview_mask(ctx: Context, *, mask: Mask) -> Mask:
    """Grey PNG files in the temp folder."""
    image = Image(mask.values.reshape(-1, *mask.values.shape[-2:], 1).expand(-1, -1, -1, 3))
    _save_png(ctx, image, ctx.temp_files())
    return mask


@node("ImageCompare", category="image", display_name="Image Compare", output_node=True, experimental=True, aside=True)
def compare_images(
    ctx: Context,
    *,
    image_a: Image | None = None,
    image_b: Image | None = None,
    compare_view: Annotated[Any, Wire("IMAGECOMPARE", optional=True)] = None,
) -> None:
    """PNG files in the temp folder, shown as ``a_images`` and ``b_images``."""
    for kind, image in (("a_images", image_a), ("b_images", image_b)):
        if image is not None:
            _save_png(ctx, image, ctx.temp_files(), compress_level=1, kind=kind)


@node("SaveImageWebsocket", category="api/image", output_node=True, cacheable=False, aside=True)
def save_image_websocket(ctx: Context, *, images: Image) -> None:
    """Send each picture to whoever watches the run, whether previews are wanted or not; nothing goes to ``output``.

    A copy is kept as PNG in the temp folder, for those who ask for the run's outputs afterwards.
    """
    total = len(images.pixels)
    for number, picture in enumerate(images.pixels):
        ctx.progress(number, total)
        ctx.log.emit(NodePreview(node_id=ctx.node_id, picture=torch.from_numpy(pictures.encode.levels(picture))))
    _save_png(ctx, images, ctx.temp_files(), compress_level=1)


@node(
    "ETN_SendImageWebSocket",
    category="external_tooling",
    display_name="Send Image (WebSocket)",
    output_node=True,
    cacheable=False,
    aside=True,
)
def send_image_websocket(ctx: Context, *, images: Image, format: Annotated[str, Choice("PNG", "JPEG")] = "PNG") -> None:
    """The same as SaveImageWebsocket; the pictures are kept without loss whatever ``format`` says."""
    save_image_websocket(ctx, images=images)


@node(
    "SaveAnimatedPNG",
    category="image/animation",
    output_node=True,
    aside=True,
    output_names=("images",),
    memory=memory.frames_as_levels,
)
def save_animated_png(
    ctx: Context,
    *,
    images: Image,
    filename_prefix: Prefix = "ComfyUI",
    fps: FrameRate = 6.0,
    compress_level: Annotated[int, Int(min=0, max=9)] = 4,
) -> Image:
    """One animated PNG in the output folder, a picture of the batch a frame. The pictures are handed on."""
    write = partial(
        pictures.encode.animated_png,
        pixels=images.pixels,
        fps=fps,
        compress_level=compress_level,
    )
    ctx.show("images", _series(ctx, filename_prefix, images).save(".png", "image/apng", write, texts.animated_png))
    ctx.show("animated", True)
    return images


@node(
    "SaveAnimatedWEBP",
    category="image/animation",
    output_node=True,
    aside=True,
    output_names=("images",),
    memory=memory.frames_as_levels,
)
def save_animated_webp(
    ctx: Context,
    *,
    images: Image,
    filename_prefix: Prefix = "ComfyUI",
    fps: FrameRate = 6.0,
    lossless: bool = True,
    quality: Annotated[int, Int(min=0, max=100)] = 80,
    method: Annotated[str, Choice(*WEBP_METHODS)],
) -> Image:
    """One animated WEBP in the output folder, a picture of the batch a frame. The pictures are handed on."""
    write = partial(
        pictures.encode.webp,
        pixels=images.pixels,
        fps=fps,
        lossless=lossless,
        quality=quality,
        method=WEBP_METHODS[method],
    )
    ctx.show("images", _series(ctx, filename_prefix, images).save(".webp", "image/webp", write, texts.webp))
    ctx.show("animated", len(images.pixels) > 1)
    return images


def show_preview(ctx: Context, images: Image) -> None:
    """Show pictures as PNG files in the temp folder."""
    _save_png(ctx, images, ctx.temp_files(), compress_level=1)


def _read(ctx: Context, source: Path | bytes) -> ImageAndMask:
    image, mask = media.stills.read(source, ctx, ctx.hdr)
    return ImageAndMask(image, Mask(mask))


def _series(ctx: Context, prefix: str, images: Image) -> Series:
    width, height = media.images.size_of(images)
    return ctx.files(prefix, width_px=width, height_px=height)


def _save_png(ctx: Context, images: Image, series: Series, compress_level: int = 4, kind: str = "images") -> None:
    for picture in media.images.pictures_of(images, ctx):
        write = partial(
            pictures.encode.png,
            pixels=picture,
            compress_level=compress_level,
            check_cancelled=ctx.check_cancelled,
        )
        ctx.show(kind, series.save(".png", "image/png", write, texts.png))
