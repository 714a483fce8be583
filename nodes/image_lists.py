"""Pictures of data sets: each changed alike, or a whole list put in order, sifted and laid out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NamedTuple

import lazy_loader as lazy

from engine.context import Context
from engine.errors import InputInvalid
from engine.inputs import MAX_SEED, Float, Int, Shown, Text
from engine.registry import node
from engine.types import Image
from nodes import memory, pictures

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.random import RandomState
else:
    torch = lazy.load("torch")

_Side = Annotated[int, Int(min=1, max=8192)]
_Seed = Annotated[int, Int(min=0, max=MAX_SEED)]
_Factor = Annotated[float, Float(min=0.0, max=2.0)]
_Level = Annotated[float, Float(min=0.0, max=1.0), Shown(advanced=True)]
_Cell = Annotated[int, Int(min=32, max=2048), Shown(advanced=True)]
_HASH_BITS = 64


class Pairs(NamedTuple):
    """Pictures and their texts."""

    images: list[Image]
    texts: list[str]


@node(
    "ResizeImagesByShorterEdge",
    category="image/transform",
    memory=memory.images_by_shorter,
    output_names=("images",),
    experimental=True,
    deprecated=True,
)
def resize_by_shorter(ctx: Context, *, images: Image, shorter_edge: _Side = 512) -> Image:
    """Resized (lanczos) so that the shorter side has so many pixels."""
    height, width = images.pixels.shape[1:3]
    return _with_side(images, shorter_edge, by_width=width < height)


@node(
    "ResizeImagesByLongerEdge",
    category="image/transform",
    memory=memory.images_by_longer,
    output_names=("images",),
    experimental=True,
    deprecated=True,
)
def resize_by_longer(ctx: Context, *, images: Image, longer_edge: _Side = 1024) -> Image:
    """Resized (lanczos) so that the longer side has so many pixels."""
    height, width = images.pixels.shape[1:3]
    return _with_side(images, longer_edge, by_width=width > height)


@node(
    "CenterCropImages",
    category="image/transform",
    display_name="Crop Image (Center)",
    output_names=("images",),
    experimental=True,
)
def crop_center(ctx: Context, *, images: Image, width: _Side = 512, height: _Side = 512) -> Image:
    """The middle, as far as the picture reaches, in 8 bits."""
    own_height, own_width = images.pixels.shape[1:3]
    left, top = max(0, (own_width - width) // 2), max(0, (own_height - height) // 2)
    return Image(pictures.encode.in_8_bits(images.pixels[:, top : top + height, left : left + width]))


@node(
    "RandomCropImages",
    category="image/transform",
    display_name="Crop Image (Random)",
    output_names=("images",),
    experimental=True,
)
def crop_anywhere(ctx: Context, *, images: Image, width: _Side = 512, height: _Side = 512, seed: _Seed = 0) -> Image:
    """A place that the seed draws, the same in all pictures of a size, in 8 bits."""
    own_height, own_width = images.pixels.shape[1:3]
    draws = _draws(seed)
    left, top = (
        int(draws.randint(0, spare + 1)) if spare > 0 else 0 for spare in (own_width - width, own_height - height)
    )
    return Image(pictures.encode.in_8_bits(images.pixels[:, top : top + height, left : left + width]))


@node(
    "NormalizeImages",
    category="image/color",
    display_name="Normalize Image Colors",
    output_names=("images",),
    experimental=True,
)
def normalize(
    ctx: Context,
    *,
    images: Image,
    mean: _Level = 0.5,
    std: Annotated[float, Float(min=0.001, max=1.0), Shown(advanced=True)] = 0.5,
) -> Image:
    """(level - mean) / std; levels are not between 0 and 1 any more."""
    return Image((images.pixels - mean) / std)


@node(
    "AdjustBrightness",
    category="image/adjustments",
    display_name="Adjust Brightness",
    output_names=("images",),
    experimental=True,
)
def brighten(ctx: Context, *, images: Image, factor: _Factor = 1.0) -> Image:
    """Every level times a factor."""
    return Image((images.pixels * factor).clamp(0.0, 1.0))


@node(
    "AdjustContrast",
    category="image/adjustments",
    display_name="Adjust Contrast",
    output_names=("images",),
    experimental=True,
)
def contrast(ctx: Context, *, images: Image, factor: _Factor = 1.0) -> Image:
    """Every level's distance from grey times a factor."""
    return Image(((images.pixels - 0.5) * factor + 0.5).clamp(0.0, 1.0))


@node(
    "ShuffleDataset",
    category="image/batch",
    display_name="Shuffle Images List",
    input_is_list=True,
    output_is_list=(True,),
    output_names=("images",),
    experimental=True,
)
def shuffle(ctx: Context, *, images: list[Image], seed: list[_Seed] = 0) -> list[Image]:  # type: ignore[assignment]
    """All pictures one by one, in an order that the seed draws."""
    single = _one_by_one(images)
    return [single[place] for place in _draws(seed[0]).permutation(len(single))]


@node(
    "ShuffleImageTextDataset",
    category="image/batch",
    display_name="Shuffle Pairs of Image-Text",
    input_is_list=True,
    output_is_list=(True, True),
    experimental=True,
)
def shuffle_pairs(
    ctx: Context,
    *,
    images: list[Image],
    texts: list[Annotated[str, Text(force_input=True)]],
    seed: list[_Seed] = 0,  # type: ignore[assignment]
) -> Pairs:
    """Pictures and their texts, in an order that the seed draws."""
    if len(texts) < len(images):
        raise InputInvalid(f"{len(images)} pictures have {len(texts)} texts", input="texts", remedy="give each one")
    order = _draws(seed[0]).permutation(len(images))
    return Pairs([images[place] for place in order], [texts[place] for place in order])


@node(
    "ImageDeduplication",
    category="image/batch",
    display_name="Deduplicate Images",
    input_is_list=True,
    output_is_list=(True,),
    output_names=("images",),
    experimental=True,
)
def deduplicate(
    ctx: Context,
    *,
    images: list[Image],
    similarity_threshold: list[_Level] = 0.95,  # type: ignore[assignment]
) -> list[Image]:
    """Without pictures that resemble an earlier one: by how many of 8 x 8 places are brighter than the average."""
    kept: list[tuple[Image, np.ndarray]] = []
    for image in _one_by_one(images):
        bits = pictures.likeness.bright_places(image.pixels[0])
        if all(1.0 - int((bits != other).sum()) / _HASH_BITS < similarity_threshold[0] for _, other in kept):
            kept.append((image, bits))
    return [image for image, _ in kept]


def _grid_bytes(*, images: list[Image], columns: list[int], **sizes: list[int]) -> int:
    count = sum(len(image.pixels) for image in images)
    width, height, gap = (sizes[name][0] for name in ("cell_width", "cell_height", "padding"))
    return -(-count // columns[0]) * columns[0] * (width + gap) * (height + gap) * 3 * 4


@node(
    "ImageGrid",
    category="image/batch",
    display_name="Make Image Grid",
    input_is_list=True,
    output_names=("images",),
    experimental=True,
    memory=_grid_bytes,
)
def grid(
    ctx: Context,
    *,
    images: list[Image],
    columns: list[Annotated[int, Int(min=1, max=20)]] = 4,  # type: ignore[assignment]
    cell_width: list[_Cell] = 256,  # type: ignore[assignment]
    cell_height: list[_Cell] = 256,  # type: ignore[assignment]
    padding: list[Annotated[int, Int(min=0, max=50), Shown(advanced=True)]] = 4,  # type: ignore[assignment]
) -> Image:
    """All pictures in one, row by row, each stretched (lanczos) to a cell; black between."""
    single, (width, height, gap) = _one_by_one(images), (cell_width[0], cell_height[0], padding[0])
    rows = -(-len(single) // columns[0])
    sheet = torch.zeros(1, rows * (height + gap) - gap, columns[0] * (width + gap) - gap, 3)
    for number, image in enumerate(single):
        ctx.check_cancelled()
        row, column = divmod(number, columns[0])
        top, left = row * (height + gap), column * (width + gap)
        cell = pictures.resize.to_size(image.pixels, width, height, "lanczos")
        sheet[:, top : top + height, left : left + width] = cell[..., :3]
    return Image(sheet)


@node(
    "MergeImageLists",
    category="image/batch",
    input_is_list=True,
    output_is_list=(True,),
    output_names=("images",),
    experimental=True,
    deprecated=True,
)
def merge(ctx: Context, *, images: list[Image]) -> list[Image]:
    """All pictures one by one."""
    return _one_by_one(images)


def _with_side(images: Image, side: int, *, by_width: bool) -> Image:
    height, width = images.pixels.shape[1:3]
    size = (side, int(height * (side / width))) if by_width else (int(width * (side / height)), side)
    return Image(pictures.resize.to_size(images.pixels, *size, "lanczos"))


def _one_by_one(images: list[Image]) -> list[Image]:
    return [Image(image.pixels[place : place + 1]) for image in images for place in range(len(image.pixels))]


def _draws(seed: int) -> RandomState:
    """ComfyUI's numbers come from numpy's older generator."""
    from numpy.random import RandomState

    return RandomState(seed % (2**32 - 1))
