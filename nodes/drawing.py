"""Painting and writing on pictures, and giving them other pictures' colours."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import lazy_loader as lazy

from engine.context import Context
from engine.fingerprint import file_fingerprint
from engine.inputs import Choice, DynamicChoice, Float, Given, Int, Shown, Text
from engine.registry import node
from engine.types import Image, Mask
from nodes import media, pictures
from nodes.colour_inputs import Color
from nodes.colours import rgb_levels
from nodes.image import ImageAndMask
from nodes.image_files import show_preview
from nodes.picture_inputs import Lines

if TYPE_CHECKING:
    import torch
else:
    torch = lazy.load("torch")

_BLACK = (0, 0, 0)
_Side = Annotated[int, Int(min=64, max=4096, step=64), Shown(hidden=True, socketless=True)]
_STATS: Mapping[str, Mapping[str, Given]] = {
    "per_frame": {},
    "uniform": {},
    "target_frame": {"target_index": Given(Annotated[int, Int(min=0, max=10000)], 0)},
}


def _painting(ctx: Context, *, mask: str) -> str | None:
    """What the painting depends on: its file."""
    source = media.named_pictures.find(ctx.folders, mask) if mask.strip() else b""
    return file_fingerprint(source) if isinstance(source, Path) else None


@node("Painter", category="image", intermediate_output=True, aside=True, fingerprint=_painting)
def paint(
    ctx: Context,
    *,
    image: Image | None = None,
    mask: Annotated[str, Text(), Shown(socketless=True, widget_type="PAINTER", upload="image")] = "",
    width: _Side = 512,
    height: _Side = 512,
    bg_color: Color = "#000000",
) -> ImageAndMask:
    """A painting over the first picture, or over a colour: a picture file of the input folder, whose alpha is the mask.

    Empty, nothing is painted.
    """
    base = _plain(width, height, bg_color) if image is None else image.pixels[:1]
    alpha = torch.zeros(base.shape[:3])
    if mask.strip():
        painted = _rgba(ctx, mask, base.shape[2], base.shape[1])
        alpha = painted[..., 3]
        base = painted[..., :3] * painted[..., 3:] + base[..., :3] * (1.0 - painted[..., 3:])
    show_preview(ctx, Image(base))
    return ImageAndMask(Image(base), Mask(alpha))


@node("TextOverlay", category="text", display_name="Draw Text Overlay", output_names=("images",))
def write_text(
    ctx: Context,
    *,
    images: Image,
    text: Lines = "",
    font_size: Annotated[float, Float(min=0.5, max=50.0, step=0.5)] = 5.0,
    color: Color = "#ffffff",
    position: Annotated[str, Choice("top", "bottom")] = "top",
    align: Annotated[str, Choice("left", "center", "right")] = "left",
    outline: bool = True,
) -> Image:
    """A text over all pictures; ``font_size`` in hundredths of their height, smaller where it would not fit."""
    if not text.strip():
        return images
    at_bottom = position == "bottom"
    return Image(
        pictures.lettering.write(
            images.pixels, text, font_size / 100, color, at_bottom=at_bottom, align=align, outlined=outline
        )
    )


@node("ColorTransfer", category="image/filters", display_name="Transfer Color", output_names=("image",))
def transfer_color(
    ctx: Context,
    *,
    image_target: Image,
    image_ref: Image,
    method: Annotated[str, Choice("reinhard_lab", "mkl_lab", "histogram")],
    source_stats: Annotated[Mapping[str, Any], DynamicChoice(_STATS)],
    strength: Annotated[float, Float(min=0.0, max=10.0, step=0.01)] = 1.0,
) -> Image:
    """Pictures in the colours of others; see :func:`nodes.pictures.color_transfer.transfer`."""
    if strength == 0:
        return image_target
    frame = source_stats.get("target_index", 0)
    source = source_stats["source_stats"]
    rgb = image_target.pixels[..., :3], image_ref.pixels[..., :3]
    return Image(pictures.color_transfer.transfer(*rgb, method, source, frame, strength))


def _rgba(ctx: Context, name: str, width: int, height: int) -> torch.Tensor:
    image, mask = media.stills.read(media.named_pictures.find(ctx.folders, name), ctx)
    pixels = image.pixels[:1, ..., :3]
    alpha = 1.0 - mask[:1] if mask.shape[1:] == pixels.shape[1:3] else torch.ones(pixels.shape[:3])
    made = torch.cat([pixels, alpha.unsqueeze(-1)], dim=-1)
    return made if made.shape[1:3] == (height, width) else pictures.resize.to_size(made, width, height, "lanczos")


def _plain(width: int, height: int, color: str) -> torch.Tensor:
    return (torch.tensor(rgb_levels(color, _BLACK)) / 255.0).expand(1, height, width, 3)
