"""Writing on pictures."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from PIL import Image as Pillow
from PIL import ImageColor, ImageDraw, ImageFont
from torch import Tensor

from engine.errors import InputInvalid

_LINE_HEIGHT = 1.2  # of the letters' size
_MARGIN = 0.01  # of the shorter side
_LEAST_SHARE, _LEAST_PX = 0.02, 10  # the letters' size, of the picture's height
_OUTLINE = 0.04  # of the letters' size
_SHRINK = 0.9
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def write(
    pixels: Tensor, text: str, share: float, color: str, *, at_bottom: bool, align: str, outlined: bool
) -> Tensor:
    r"""``text`` over float[batch, height, width, channels], letters ``share`` of its height (0..1) or smaller, to fit.

    Words that do not fit into a line go into the next; ``\n`` and ``\t`` may be written out. Raises ``InputInvalid``
    for a colour that Pillow does not know.
    """
    height, width = pixels.shape[1:3]
    layer = Pillow.new("RGBA", (width, height), (0, 0, 0, 0))
    block = _Block(ImageDraw.Draw(layer), width, height, outlined=outlined)
    block.fit(text.replace("\\n", "\n").replace("\\t", "\t"), share)
    block.draw(_rgba(color), align, at_bottom=at_bottom)
    levels = torch.from_numpy(np.asarray(layer, dtype=np.float32) / np.float32(255.0))
    alpha = levels[..., 3:]
    made = pixels.clone()
    made[..., :3] = pixels[..., :3] * (1.0 - alpha) + levels[..., :3] * alpha
    return made


class _Block:
    """Lines of text on a picture."""

    def __init__(self, draw: ImageDraw.ImageDraw, width: int, height: int, *, outlined: bool) -> None:
        self._draw, self._width, self._height, self._outlined = draw, width, height, outlined
        self._margin = round(_MARGIN * min(width, height))
        self._set_size(1)
        self._lines = ""

    def _set_size(self, size: int) -> None:
        self._size, self._font = size, ImageFont.load_default(size=size)
        self._stroke = max(1, round(size * _OUTLINE)) if self._outlined else 0

    def fit(self, text: str, share: float) -> None:
        """Lay the text out, in letters as large as asked for, or else as large as fits."""
        size = max(1, round(share * self._height))
        least = min(size, max(_LEAST_PX, round(_LEAST_SHARE * self._height)))
        while True:
            self._set_size(size)
            self._lines = "\n".join(_wrapped(text, self._font, max(1, self._width - 2 * self._margin)))
            _, top, _, bottom = self._box()
            if bottom - top <= max(1, self._height - 2 * self._margin) or size <= least:
                return
            size = max(least, int(size * _SHRINK))

    def draw(self, color: tuple[int, ...], align: str, *, at_bottom: bool) -> None:
        """Draw the text, flush with the margins."""
        _, top, _, bottom = self._box()
        places = {
            "left": ("la", self._margin),
            "center": ("ma", self._width / 2),
            "right": ("ra", self._width - self._margin),
        }
        anchor, x = places[align]
        y = self._height - self._margin - bottom if at_bottom else self._margin - top
        self._draw.multiline_text(
            (x, y),
            self._lines,
            font=self._font,
            fill=color,
            anchor=anchor,
            align=align,
            spacing=self._spacing(),
            stroke_width=self._stroke,
            stroke_fill=(0, 0, 0, 255 if self._outlined else 0),
        )

    def _box(self) -> tuple[float, float, float, float]:
        return self._draw.multiline_textbbox(
            (0, 0), self._lines, font=self._font, spacing=self._spacing(), stroke_width=self._stroke
        )

    def _spacing(self) -> int:
        """Pixels that Pillow is to add between lines."""
        one = self._draw.textbbox((0, 0), "Ay", font=self._font, stroke_width=self._stroke)
        two = self._draw.multiline_textbbox((0, 0), "Ay\nAy", font=self._font, spacing=0, stroke_width=self._stroke)
        return round(self._size * _LINE_HEIGHT - ((two[3] - two[1]) - (one[3] - one[1])))


def _wrapped(text: str, font: Font, width: float) -> Iterator[str]:
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split():
            for piece in _pieces(word, font, width):
                longer = f"{line} {piece}" if line else piece
                if line and (font.getlength(longer) > width or piece is not word):
                    yield line
                    longer = piece
                line = longer
        yield line


def _pieces(word: str, font: Font, width: float) -> Iterator[str]:
    """The word, in pieces where it is longer than a line."""
    rest = word
    while font.getlength(rest) > width and len(rest) > 1:
        cut = next((n for n in range(2, len(rest) + 1) if font.getlength(rest[:n]) > width), len(rest) + 1) - 1
        yield rest[:cut]
        rest = rest[cut:]
    yield word if rest == word else rest


def _rgba(color: str) -> tuple[int, ...]:
    try:
        found = ImageColor.getrgb(color)
    except ValueError as error:
        remedy = "write #rrggbb or #rrggbbaa"
        raise InputInvalid(f"'{color[:40]}' is no colour", input="color", remedy=remedy) from error
    return found if len(found) == 4 else (*found, 255)
