"""Cutting what a mask shows out of a picture, onto a plain ground."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from nodes.pictures import resize

_FAINT = 0.05  # below it, a mask shows nothing
_SURE = 204  # of 255; above it, a mask's pixels are what is cut out


@dataclass(frozen=True, slots=True)
class Cut:
    """``width_px`` x ``height_px`` of the result; ``padding``: how many times larger than the mask's box the cut is.

    ``grow_px``: how far the mask is grown (shrunk where negative) before. ``ground``: red, green and blue, 0..1.
    """

    width_px: int
    height_px: int
    padding: float
    grow_px: int
    ground: tuple[float, float, float]


def cut_to_mask(picture: Tensor, mask: Tensor, cut: Cut) -> Tensor:
    """``picture``, float32[height, width, 3], cut to the box of ``mask``, float32[height, width]; 1 is what is shown.

    The box is widened to the result's aspect ratio; beyond the picture there is nothing but the ground. A mask that
    shows the border rather than the middle is taken the other way round, and so is one that shows nothing. Where
    nothing is shown either way, the whole picture is taken.
    """
    pixels = picture.float().clamp(0, 1)[None]
    shown = _grown(_right_way_round(mask.float().clamp(0, 1)), cut.grow_px)[None, ..., None]
    shown = torch.where(shown < _FAINT, 0.0, shown)
    largest = max(cut.width_px, cut.height_px)
    height, width = picture.shape[:2]
    if max(height, width) > largest:
        scale = largest / max(height, width)
        sides = (int(width * scale), int(height * scale))
        pixels, shown = (resize.to_size(each, *sides, "lanczos") for each in (pixels, shown))
    shown, box = _box(shown, cut)
    both = _window(torch.cat([pixels, shown], dim=-1), box)
    ground = both.new_tensor(cut.ground)
    composed = (both[..., :3] * both[..., 3:] + ground * (1 - both[..., 3:])).clamp(0, 1)
    return resize.to_size(composed, cut.width_px, cut.height_px, "lanczos")[0]


def _right_way_round(mask: Tensor) -> Tensor:
    height, width = mask.shape
    border = torch.cat([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    middle = mask[height // 4 : height - height // 4, width // 4 : width - width // 4]
    return 1 - mask if border.mean() > 0.5 and middle.mean() < 0.5 else mask


def _grown(mask: Tensor, steps_px: int) -> Tensor:
    if steps_px == 0:
        return mask
    reach = abs(steps_px)
    values = mask if steps_px > 0 else 1 - mask
    grown = F.max_pool2d(values[None, None], 2 * reach + 1, stride=1, padding=reach)[0, 0]
    return grown if steps_px > 0 else 1 - grown


def _box(shown: Tensor, cut: Cut) -> tuple[Tensor, tuple[int, int, int, int]]:
    """The mask, turned round where it shows nothing, and left, top, right and bottom of what is cut out."""
    levels = (shown[0, ..., 0].clamp(0, 1) * 255).to(torch.uint8)
    found = (levels > _SURE).nonzero()
    if not len(found) and len(found := ((255 - levels) > _SURE).nonzero()):
        shown = 1 - shown
    if not len(found):
        return shown, (0, 0, shown.shape[2], shown.shape[1])
    (top, left), (bottom, right) = found.amin(0).tolist(), found.amax(0).tolist()
    wide, tall, aspect = right - left + 1, bottom - top + 1, cut.width_px / cut.height_px
    if wide / tall >= aspect:
        sides = int(wide * cut.padding), int(wide / aspect * cut.padding)
    else:
        sides = int(tall * aspect * cut.padding), int(tall * cut.padding)
    across, down = (math.ceil(side / 2) for side in sides)
    x, y = int((left + right) / 2 - across), int((top + bottom) / 2 - down)
    return shown, (x, y, x + 2 * across, y + 2 * down)


def _window(pixels: Tensor, box: tuple[int, int, int, int]) -> Tensor:
    """``pixels``, [1, height, width, channels], within the box, zeros where that lies beyond them."""
    left, top, right, bottom = box
    height, width = pixels.shape[1:3]
    before_x, before_y = max(0, -left), max(0, -top)
    beyond = (0, 0, before_x, max(0, right - width), before_y, max(0, bottom - height))
    padded = F.pad(pixels, beyond)
    return padded[:, top + before_y : bottom + before_y, left + before_x : right + before_x]
