"""Boxes drawn on pictures: what was detected, and what a prompt says of parts of a picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from PIL import Image as Pillow
from PIL import ImageDraw, ImageEnhance, ImageFont
from torch import Tensor

from nodes.box_values import Box, Region
from nodes.coco import NAMES
from nodes.colours import rgb_levels
from nodes.pictures import encode

_COLORS = (
    *((255, 0, 0), (0, 200, 0), (0, 0, 255), (255, 165, 0)),
    *((128, 0, 128), (0, 255, 255), (255, 20, 147), (100, 149, 237)),
)
_LONGER_SIDE_PX = 1024
_DIMMED = 0.25
_PLAIN_COLOR = (140, 140, 140)
_READABLE = 130  # of 255: as dark as text on a dimmed picture may be
Rgb = tuple[int, int, int]


def detections(pixels: Tensor, boxes: Iterable[Box]) -> Tensor:
    """float32[height, width, channels] with frames around the boxes, those of the highest score on top.

    Named ones of COCO's 80 classes have their class's colour, name and score.
    """
    picture = Pillow.fromarray(_rounded_down(pixels))
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default()
    for box in sorted(boxes, key=lambda box: np.float32(box.get("score", 1.0))):
        label = box.get("label")
        label = label if label in NAMES else None
        color = _COLORS[(NAMES.index(label) if label else 0) % len(_COLORS)]
        x, y = box["x"], box["y"]
        draw.rectangle([x, y, x + box["width"], y + box["height"]], outline=color, width=3)
        if label:
            draw.text((x + 2, y + 2), f"{label} {box.get('score', 1.0):.2f}", fill=color, font=font)
    return _as_floats(picture)


def outline(regions: Sequence[Region], width_px: int, height_px: int, background: Tensor | None) -> Tensor:
    """What a prompt says of parts of a picture: float32[1, height, width, 3], at most 1024 pixels wide or high.

    Each part has its number, its first five colours and its words; ``background``: a picture to show dimmed.
    """
    picture = _dimmed(width_px, height_px, background)
    overlay = Pillow.new("RGBA", picture.size, (0, 0, 0, 0))
    sheet = _Sheet(ImageDraw.Draw(overlay), *picture.size)
    for number, region in enumerate(regions, start=1):
        sheet.add(number, region)
    return _as_floats(Pillow.alpha_composite(picture, overlay).convert("RGB")).unsqueeze(0)


class _Sheet:
    """What parts of a picture are drawn on."""

    def __init__(self, draw: ImageDraw.ImageDraw, width: int, height: int) -> None:
        self._draw, self._width, self._height = draw, width, height
        self._size = max(10, round(height / 64))
        self._font = ImageFont.load_default(self._size)
        self._small = ImageFont.load_default(max(9, self._size - 2))

    def add(self, number: int, region: Region) -> None:
        color = rgb_levels(region.palette[0]) if region.palette else _PLAIN_COLOR
        left, right = self._ends(region.x, region.width, self._width)
        top, bottom = self._ends(region.y, region.height, self._height)
        self._draw.rectangle([left, top, right, bottom], outline=(*color, 255), width=2)
        if right - left > 2:
            self._swatches(region.palette[:5], left, right, top)
        self._tag(f"{number:02d}", color, left, top)
        if right - left > 8:
            self._write(_words(region), _readable(color), (left, top, right, bottom))

    @staticmethod
    def _ends(start: float, length: float, side: int) -> tuple[int, int]:
        first, last = sorted(max(0, min(side, round(at * side))) for at in (start, start + length))
        return first, last

    def _swatches(self, palette: Sequence[str], left: int, right: int, top: int) -> None:
        height = max(5, self._size // 2)
        for place, color in enumerate(palette):
            start, end = (left + round(at * ((right - left) / len(palette))) for at in (place, place + 1))
            self._draw.rectangle([start, top, end, top + height], fill=rgb_levels(color))

    def _tag(self, text: str, color: Rgb, left: int, top: int) -> None:
        width = self._draw.textlength(text, font=self._small)
        self._draw.rectangle([left, top, left + width + 6, top + self._size + 2], fill=(*color, 255))
        ink = (0, 0, 0, 255) if _brightness(color) > 140 else (255, 255, 255, 255)
        self._draw.text((left + 3, top + 1), text, fill=ink, font=self._small)

    def _write(self, words: str, color: Rgb, box: tuple[int, int, int, int]) -> None:
        left, top, right, bottom = box
        y = top + self._size + 5
        for line in self._lines(words, right - left - 8):
            if y > bottom:
                return
            self._draw.text((left + 4, y), line, fill=(*color, 255), font=self._font)
            y += self._size + 2

    def _lines(self, words: str, width: int) -> Iterable[str]:
        for paragraph in words.split("\n") if words else ():
            line = ""
            for word in paragraph.split():
                longer = f"{line} {word}" if line else word
                if line and self._draw.textlength(longer, font=self._font) > width:
                    yield line
                    longer = word
                line = longer
            yield line


def _words(region: Region) -> str:
    if not (region.is_text and region.text):
        return region.description
    return f'"{region.text}"' + (f" — {region.description}" if region.description else "")


def _dimmed(width_px: int, height_px: int, background: Tensor | None) -> Pillow.Image:
    shown = None if background is None else Pillow.fromarray(encode.levels(background))
    width, height = (width_px, height_px) if shown is None else shown.size
    scale = min(1.0, _LONGER_SIDE_PX / (max(width, height) or 1))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if shown is None:
        grey = round(_DIMMED * 128)
        return Pillow.new("RGBA", size, (grey, grey, grey, 255))
    small = shown.convert("RGB").resize(size, Pillow.Resampling.LANCZOS)
    return ImageEnhance.Brightness(small).enhance(_DIMMED).convert("RGBA")


def _brightness(color: Rgb) -> float:
    return 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2]


def _readable(color: Rgb) -> Rgb:
    """The colour, mixed with white until it can be read on a dimmed picture."""
    brightness = _brightness(color)
    if brightness >= _READABLE:
        return color
    share = (_READABLE - brightness) / (255 - brightness)
    red, green, blue = (round(level + (255 - level) * share) for level in color)
    return red, green, blue


def _rounded_down(pixels: Tensor) -> np.ndarray:
    values: np.ndarray = (pixels * 255).clamp(0, 255).to(torch.uint8).numpy()
    return values


def _as_floats(picture: Pillow.Image) -> Tensor:
    return torch.from_numpy(np.asarray(picture, dtype=np.float32) / np.float32(255.0))
