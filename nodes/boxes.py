"""Boxes in pictures: made, drawn, cut out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import lazy_loader as lazy

from engine.context import Context
from engine.inputs import MAX_SIDE_PX, Choice, Edited, Int, Shown, Wire
from engine.registry import node
from engine.types import Image
from nodes import box_values, media, pictures
from nodes.image_files import show_preview

if TYPE_CHECKING:
    import torch
else:
    torch = lazy.load("torch")

_WHOLE = {"x": 0, "y": 0, "width": 512, "height": 512}
_Start = Annotated[int, Int(min=0, max=MAX_SIDE_PX)]
_Length = Annotated[int, Int(min=1, max=MAX_SIDE_PX)]
_Canvas = Annotated[int, Int(min=64, max=MAX_SIDE_PX, step=16)]
_Output = Annotated[int, Int(min=64, max=4096, step=8)]
Box = Annotated[Mapping[str, Any], Wire("BOUNDING_BOX")]
_Boxes = Annotated[Any, Edited("BOUNDING_BOX", force_input=True), Shown(socketless=True)]
_Drawn = Annotated[Any, Edited("BOUNDING_BOXES")]


class Outlined(NamedTuple):
    """Boxes as a picture, in pixels (a list for the one picture), and as elements of a prompt."""

    preview: Image
    bboxes: Annotated[list[Any], Wire("BOUNDING_BOX")]
    elements: Annotated[list[Any], Wire("ARRAY")]


@node("PrimitiveBoundingBox", category="utilities/primitive", display_name="Bounding Box")
def bounding_box(ctx: Context, *, x: _Start = 0, y: _Start = 0, width: _Length = 512, height: _Length = 512) -> Box:
    """A box in pixels."""
    return {"x": x, "y": y, "width": width, "height": height}


@node(
    "ImageCropV2",
    category="image/transform",
    display_name="Crop Image",
    essentials_category="Image Tools",
    intermediate_output=True,
    aside=True,
)
def crop_to_region(
    ctx: Context,
    *,
    image: Image,
    crop_region: Annotated[
        Mapping[str, Any], Edited("BOUNDING_BOX"), Shown(socketless=True, component="ImageCrop")
    ] = _WHOLE,
) -> Image:
    """The part of the pictures within the box, as far as they reach; shown as well."""
    x, y, width, height = (crop_region.get(side, default) for side, default in _WHOLE.items())
    x, y = min(x, image.pixels.shape[2] - 1), min(y, image.pixels.shape[1] - 1)
    cropped = Image(image.pixels[:, y : y + height, x : x + width])
    show_preview(ctx, cropped)
    return cropped


@node(
    "CreateBoundingBoxes",
    category="utilities",
    display_name="Create Bounding Boxes",
    output_node=True,
    experimental=True,
)
def create_boxes(
    ctx: Context,
    *,
    background: Image | None = None,
    bboxes: Annotated[Any, Wire("BOUNDING_BOX,ARRAY,STRING", optional=True)] = None,
    width: _Canvas = 1024,
    height: _Canvas = 1024,
    editor_state: _Drawn = [],  # noqa: B006 - nobody writes to it; clients are told a list
    last_incoming: Annotated[Any, Edited("BOUNDING_BOXES", optional=True), Shown(socketless=True)] = [],  # noqa: B006
) -> Outlined:
    """Boxes that were drawn in an editor, or come in: new ones that do count, until something is drawn over them.

    ``last_incoming``: what had come in when the editor was last filled.
    """
    incoming = box_values.read(bboxes, width, height)
    is_new = bool(incoming) and incoming != last_incoming
    regions = box_values.regions(incoming if is_new else list(editor_state or ()), width, height)
    ctx.show("dims", width, height)
    ctx.show("input_bboxes", *incoming)
    shown = None if background is None else background.pixels[0]
    boxes = [box_values.in_pixels(region, width, height) for region in regions]
    return Outlined(
        Image(pictures.box_drawing.outline(regions, width, height, shown)),
        [boxes] if boxes else [],
        [box_values.element(region) for region in regions],
    )


@node("DrawBBoxes", category="image/detection", display_name="Draw BBoxes", output_names=("out_image",))
def draw_boxes(ctx: Context, *, image: Image | None = None, bboxes: _Boxes = _WHOLE) -> Image:
    """Frames around the boxes, with their labels and scores; without a picture, on black as large as they need."""
    count = 1 if image is None else media.images.count_of(image)
    frames = box_values.per_picture(bboxes, count)
    pixels = _black_around(frames) if image is None else image.pixels
    drawn = [pictures.box_drawing.detections(one, boxes) for one, boxes in zip(pixels, frames, strict=True)]
    return Image(torch.stack(drawn))


@node("CropByBBoxes", category="image/transform", display_name="Crop by BBoxes")
def crop_by_boxes(
    ctx: Context,
    *,
    image: Image,
    bboxes: _Boxes = _WHOLE,
    output_width: _Output = 512,
    output_height: _Output = 512,
    padding: Annotated[int, Int(min=0, max=1024, step=1)] = 0,
    keep_aspect: Annotated[str, Choice("stretch", "pad")] = "stretch",
) -> Image:
    """What is around the boxes of each picture, in the output's size; pictures without boxes are left out.

    Of boxes for fewer pictures, further ones take the last's. ``pad``: black around it keeps the aspect ratio. Where
    there is no box at all, the pictures come out as they are.
    """
    frames = box_values.frames_of(bboxes)
    size, kept = (output_width, output_height), keep_aspect == "pad"
    made = [
        pictures.box_cropping.cut(one, frames[min(number, len(frames) - 1)], *size, padding, keep_aspect=kept)
        for number, one in enumerate(image.pixels)
    ]
    found = [each for each in made if each is not None]
    return Image(torch.cat(found)) if found else image


def _black_around(frames: list[list[box_values.Box]]) -> torch.Tensor:
    ends = [(int(box["x"] + box["width"]), int(box["y"] + box["height"])) for boxes in frames for box in boxes]
    width, height = (max(sides) for sides in zip(*ends, strict=True)) if ends else (640, 640)
    return torch.zeros(len(frames), height, width, 3)
