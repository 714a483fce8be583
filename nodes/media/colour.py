"""What the numbers of a decoded frame mean, and the way from there to RGB."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, ColorTrc, Interpolation, VideoReformatter

from nodes.media.orientation import Orientation

BT709, UNSPECIFIED, BT601, BT2020 = 1, 2, 5, 9  # matrices, as the standard H.273 numbers them
_RGB = 0
# Formats of editing and cameras of high definition, whatever the size.
_HD_CODECS = frozenset({"prores", "dnxhd", "cfhd", "v210", "apv"})
_HD_HEIGHT, _HD_WIDTH = 720, 1280
_HDR = {ColorTrc.ARIB_STD_B67: "hlg", ColorTrc.SMPTE2084: "pq"}
_WIDE = {ColorPrimaries.BT2020: "bt2020", ColorPrimaries.SMPTE432: "p3", ColorPrimaries.SMPTE431: "p3"}
# Without accurate rounding, libswscale's colours are one or two levels too dark.
ACCURATE = int(Interpolation.BILINEAR | Interpolation.ACCURATE_RND)


@dataclass(frozen=True, slots=True)
class Meaning:
    """``matrix`` as H.273 numbers it; ``full``: levels use the whole range; ``transfer``: ``sdr``, ``hlg`` or ``pq``.

    ``primaries``: ``bt709``, ``bt2020`` or ``p3``. ``bits`` of a level; ``alpha``: whether there is a fourth channel.
    """

    matrix: int
    full: bool
    transfer: str
    primaries: str
    bits: int
    alpha: bool

    @property
    def deep(self) -> bool:
        """Whether eight bits would not hold it."""
        return self.bits > 8

    @property
    def standard(self) -> bool:
        """Whether it is what screens show as it is: standard dynamic range with the colours of BT.709."""
        return self.transfer == "sdr" and self.primaries == "bt709"


def meaning_of(frame: Any, codec: str) -> Meaning:
    """What the frame states, and where it states nothing what is usual for its size and codec.

    Without a stated matrix: BT.601 for JPEG's levels, BT.709 from 720 lines or 1280 columns on and for formats of
    editing, BT.2020 for HLG and PQ, else BT.601. Without a stated range: limited, but for JPEG's formats.
    """
    kind = frame.format
    rgb = kind.is_rgb or kind.name.startswith(("pal8", "gray", "mono", "ya"))
    jpeg = kind.name.startswith("yuvj") or codec == "mjpeg"
    transfer = _HDR.get(frame.color_trc, "sdr")
    matrix = frame.colorspace
    if matrix in (UNSPECIFIED, _RGB, 3):
        hd = frame.height >= _HD_HEIGHT or frame.width >= _HD_WIDTH or codec in _HD_CODECS
        matrix = BT2020 if transfer != "sdr" else BT709 if hd and not jpeg else BT601
    full = rgb or jpeg or frame.color_range == ColorRange.JPEG
    return Meaning(
        matrix=matrix,
        full=full,
        transfer=transfer,
        primaries=_WIDE.get(frame.color_primaries, "bt2020" if transfer != "sdr" else "bt709"),
        bits=max(component.bits for component in kind.components),
        alpha=kind.name == "pal8" or any(component.is_alpha for component in kind.components),
    )


@dataclass(frozen=True, slots=True)
class DecodedPicture:
    """``levels[height, width, 3 or 4]`` as decoded, upright; ``white``: the highest level of the colours.

    ``alpha_white``: the alpha's. ``meaning`` says whether colours have yet to be brought to what screens show.
    """

    levels: np.ndarray
    white: float
    alpha_white: float
    meaning: Meaning

    def turned(self, orientation: Orientation) -> DecodedPicture:
        """The same as it is shown; nothing is copied."""
        return self if orientation.upright else replace(self, levels=orientation.applied(self.levels))


class ToRgb:
    """Frames as RGB or RGBA in one step of libswscale, which is set up once for all frames of a kind."""

    def __init__(self, codec: str) -> None:
        self._codec = codec
        self._scaler = VideoReformatter()

    def picture(self, frame: Any, size: tuple[int, int]) -> DecodedPicture:
        """The frame at ``size`` (width, height), with the range widened and the matrix undone."""
        meaning = meaning_of(frame, self._codec)
        frame.colorspace = meaning.matrix
        target, white, alpha_white = _target(meaning, frame.format)
        made = self._scaler.reformat(
            frame,
            width=size[0],
            height=size[1],
            format=target,
            src_color_range=ColorRange.JPEG if meaning.full else ColorRange.MPEG,
            dst_color_range=ColorRange.JPEG,
            interpolation=ACCURATE,
        )
        return DecodedPicture(made.to_ndarray(), white, alpha_white, meaning)


def _target(meaning: Meaning, kind: Any) -> tuple[str, float, float]:
    """A format, and its levels for white and for opaque.

    libswscale moves levels of fewer bits up to 16, so its white is lower than 65535; for limited range it is 255 in the
    upper eight. RGB is only reordered: through libswscale's 16 bits it would lose some.
    """
    alpha = "a" if meaning.alpha else ""
    if not meaning.deep:
        rgb = kind.name == "pal8" or kind.is_rgb
        return (f"rgb{alpha or 24}" if rgb else f"gbr{alpha}p"), 255.0, 255.0
    if kind.name.startswith("gbr"):
        return kind.name, (1.0 if meaning.bits == 32 else float((1 << meaning.bits) - 1)), 1.0
    top = float(((1 << min(meaning.bits, 16)) - 1) << max(0, 16 - meaning.bits))
    return f"gbr{alpha}p16le", (top if meaning.full else 255.0 * 256), top
