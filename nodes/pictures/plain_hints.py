"""Pictures for ControlNets that need no network: edges, a scribble, a coarse copy, blocks of colour.

Names and numbers are those of the node pack comfyui_controlnet_aux.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor
from torch.nn import functional

from nodes.pictures import filters

_CANNY = (0.05, 0.1)  # what OpenCV calls 100 and 200: its gradients are 8 x 255 times as large
_DARK = 127 / 255  # what a scribble is drawn of
_BLOCK_PX = 64
_COARSE = 3  # how often the tile's copy is halved


def drawn(pixels: Tensor, name: str, resolution_px: int) -> Tensor:
    """float32[batch, height, width, 3], 0..1, of float[batch, height, width, channels].

    The shorter side becomes ``resolution_px``.
    """
    height, width = pixels.shape[1:3]
    factor = resolution_px / min(height, width)
    sides = (round(height * factor), round(width * factor))
    planes = _resized(pixels[..., :3].movedim(-1, 1).float(), sides)
    return PLAIN[name](planes).movedim(1, -1).clamp(0, 1)


def _resized(planes: Tensor, sides: tuple[int, int]) -> Tensor:
    if sides == tuple(planes.shape[-2:]):
        return planes
    smaller = sides[0] < planes.shape[-2]
    more: dict[str, Any] = {"mode": "area"} if smaller else {"mode": "bicubic", "align_corners": False}
    return functional.interpolate(planes, size=sides, **more).clamp(0, 1)


def _canny(planes: Tensor) -> Tensor:
    """White edges."""
    return filters.edges(planes.movedim(1, -1), *_CANNY).movedim(-1, 1)


def _scribble(planes: Tensor) -> Tensor:
    """White where any colour is dark."""
    return (planes.amin(1, keepdim=True) < _DARK).float().expand(-1, 3, -1, -1)


def _tile(planes: Tensor) -> Tensor:
    """The picture without its finest details."""
    height, width = (max(round(side / _BLOCK_PX), 1) * _BLOCK_PX for side in planes.shape[-2:])
    coarse = functional.interpolate(planes, size=(height >> _COARSE, width >> _COARSE), mode="area")
    return functional.interpolate(coarse, size=(height, width), mode="bicubic", align_corners=False)


def _colour(planes: Tensor) -> Tensor:
    """Blocks of one colour each."""
    height, width = planes.shape[-2:]
    blocks = (max(height // _BLOCK_PX, 1), max(width // _BLOCK_PX, 1))
    small = functional.interpolate(planes, size=blocks, mode="area")
    return functional.interpolate(small, size=(height, width), mode="nearest")


PLAIN: Mapping[str, Callable[[Tensor], Tensor]] = {
    "CannyEdgePreprocessor": _canny,
    "ColorPreprocessor": _colour,
    "ScribblePreprocessor": _scribble,
    "TilePreprocessor": _tile,
}
