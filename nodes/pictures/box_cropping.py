"""Cutting boxes out of pictures, all to one size."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from nodes.box_values import Box
from nodes.pictures import resize


def cut(
    pixels: Tensor, boxes: Sequence[Box], width_px: int, height_px: int, padding_px: int, *, keep_aspect: bool
) -> Tensor | None:
    """What is around all ``boxes`` of float32[height, width, channels], as float32[1, height, width, channels].

    Of boxes beside the picture, a square near its top, where faces are; ``None`` where there are no boxes.
    """
    if not boxes:
        return None
    sides = _around(boxes, padding_px, *pixels.shape[1::-1]) or _near_top(*pixels.shape[1::-1])
    if sides is None:
        return torch.zeros(1, height_px, width_px, pixels.shape[-1])
    left, top, right, bottom = sides
    part = pixels[None, top:bottom, left:right]
    if not keep_aspect:
        return resize.to_size(part, width_px, height_px, "area")
    scale = min(width_px / (right - left), height_px / (bottom - top))
    width, height = round((right - left) * scale), round((bottom - top) * scale)
    framed = torch.zeros(1, height_px, width_px, pixels.shape[-1])
    x, y = (width_px - width) // 2, (height_px - height) // 2
    framed[:, y : y + height, x : x + width] = resize.to_size(part, width, height, "area")
    return framed


def _around(boxes: Sequence[Box], padding: int, width: int, height: int) -> tuple[int, int, int, int] | None:
    left = max(0, min(int(box["x"]) for box in boxes) - padding)
    top = max(0, min(int(box["y"]) for box in boxes) - padding)
    right = min(width, max(int(box["x"] + box["width"]) for box in boxes) + padding)
    bottom = min(height, max(int(box["y"] + box["height"]) for box in boxes) + padding)
    return (left, top, right, bottom) if right > left and bottom > top else None


def _near_top(width: int, height: int) -> tuple[int, int, int, int] | None:
    side = int(min(width, height) * 0.3)
    left, top = max(0, (width - side) // 2), int(height * 0.1)
    right, bottom = min(width, left + side), min(height, top + side)
    return (left, top, right, bottom) if right > left and bottom > top else None
