"""Large pictures in tiles, and back."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import lazy_loader as lazy

from engine.context import Context
from engine.inputs import MAX_SIDE_PX, Int
from engine.registry import node
from engine.types import Image

if TYPE_CHECKING:
    import torch
    from torch import Tensor
else:
    torch = lazy.load("torch")

_TileSide = Annotated[int, Int(min=64, max=MAX_SIDE_PX)]
_FinalSide = Annotated[int, Int(min=64, max=2 * MAX_SIDE_PX)]
_Overlap = Annotated[int, Int(min=0, max=4096)]
_FAINTEST = 1e-5


@node(
    "SplitImageToTileList",
    category="image/batch",
    display_name="Split Image into List of Tiles",
    output_is_list=(True,),
)
def split(
    ctx: Context, *, image: Image, tile_width: _TileSide = 1024, tile_height: _TileSide = 1024, overlap: _Overlap = 128
) -> list[Image]:
    """Tiles that overlap, row by row; each a batch of the same place of all pictures."""
    height, width = image.pixels.shape[1:3]
    tiles = _tiles(width, height, tile_width, tile_height, overlap)
    return [Image(image.pixels[:, top:bottom, left:right]) for left, top, right, bottom in tiles]


def _merged_bytes(*, image_list: list[Image], final_width: list[int], final_height: list[int], **_: object) -> int:
    """Of the whole picture, of what is added up for it and of its weights."""
    shape = image_list[0].pixels.shape
    return int(shape[0] * (2 * shape[3] + 1) * final_width[0] * final_height[0] * 4)


@node(
    "ImageMergeTileList",
    category="image/batch",
    display_name="Merge List of Tiles to Image",
    input_is_list=True,
    memory=_merged_bytes,
)
def merge(
    ctx: Context,
    *,
    image_list: list[Image],
    final_width: list[_FinalSide] = 1024,  # type: ignore[assignment]
    final_height: list[_FinalSide] = 1024,  # type: ignore[assignment]
    overlap: list[_Overlap] = 128,  # type: ignore[assignment]
) -> Image:
    """One picture of the tiles that it was split into; where they overlap, each counts more towards its middle."""
    count, tile_height, tile_width, channels = image_list[0].pixels.shape
    width, height = final_width[0], final_height[0]
    weight = _weight(tile_height, tile_width, faded=overlap[0] > 0)
    merged, weights = torch.zeros(count, height, width, channels), torch.zeros(1, height, width, 1)
    places = _tiles(width, height, tile_width, tile_height, overlap[0])
    for tile, (left, top, right, bottom) in zip(image_list, places, strict=False):
        ctx.check_cancelled()
        pixels = tile.pixels[:, : bottom - top, : right - left]
        rows, columns = pixels.shape[1:3]
        share = weight[:, :rows, :columns]
        merged[:, top : top + rows, left : left + columns] += pixels * share
        weights[:, top : top + rows, left : left + columns] += share
    weights[weights == 0] = 1.0
    return Image(merged / weights)


def _weight(height: int, width: int, *, faded: bool) -> Tensor:
    if not faded:
        return torch.ones(1, height, width, 1)
    by_row, by_column = (
        torch.sin(math.pi * torch.linspace(0, 1, side)).clamp(min=_FAINTEST) for side in (height, width)
    )
    weight: Tensor = (by_row.unsqueeze(1) * by_column.unsqueeze(0))[None, :, :, None]
    return weight


def _tiles(
    width: int, height: int, tile_width: int, tile_height: int, overlap: int
) -> Iterator[tuple[int, int, int, int]]:
    """Left, top, right and bottom of each tile; those at the end are moved back to be whole."""
    for top, bottom in _spans(height, tile_height, overlap):
        for left, right in _spans(width, tile_width, overlap):
            yield left, top, right, bottom


def _spans(length: int, tile: int, overlap: int) -> Iterator[tuple[int, int]]:
    step = round(max(tile * 0.25, tile - overlap))
    for start in range(0, length, step):
        end = min(start + tile, length)
        yield max(0, end - tile), end
        if end >= length:
            return
