"""Picture files of more than 8 bits: PNG of 16, and EXR, which holds light as floats."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from torch import Tensor

from engine.errors import InputInvalid
from nodes.metadata import exr as exr_header
from nodes.pictures import light

# By the number of channels, FFmpeg's names: of what is handed over, and of what is in the file.
_PNG_16 = {1: ("gray16le", "gray16be"), 3: ("rgb48le", "rgb48be"), 4: ("rgba64le", "rgba64be")}
_EXR = {1: ("grayf32le", "grayf32le"), 3: ("gbrpf32le", "gbrpf32le"), 4: ("gbrapf32le", "gbrapf32le")}
# CIE 1931 x, y of red, green, blue and white (D65).
_BT709 = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)
_BT2020 = (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, 0.3127, 0.3290)


def png16(path: Path, pixels: Tensor) -> None:
    """Write float[height, width, 1, 3 or 4] in 16 bits, rounded down; what is outside 0..1 is clipped."""
    levels = (pixels * 65535.0).clamp(0, 65535).nan_to_num(0.0).numpy().astype(np.uint16)
    path.write_bytes(_encoded("png", levels, _PNG_16))


def exr(path: Path, pixels: Tensor, color_space: str) -> None:
    """Write float[height, width, 1, 3 or 4] as scene light in 32-bit floats, not clipped.

    ``color_space`` of the pixels: ``sRGB``, ``HDR`` (HLG with BT.2020's primaries) or ``linear``, light already.
    """
    if color_space != "linear":
        pixels = light.of_hlg(pixels) if color_space == "HDR" else light.of_srgb(pixels)
    primaries = struct.pack("<8f", *(_BT2020 if color_space == "HDR" else _BT709))
    data = _encoded("exr", pixels.float().numpy(), _EXR)
    path.write_bytes(exr_header.with_attributes(data, [("chromaticities", "chromaticities", primaries)]))


def _encoded(codec_name: str, values: np.ndarray, formats: dict[int, tuple[str, str]]) -> bytes:
    """The one frame, which is the file: FFmpeg's writer of pictures takes paths alone, so its encoder is asked."""
    height, width, channels = values.shape
    if channels not in formats:
        raise InputInvalid(f"pictures of {channels} channels cannot be saved so", remedy="1, 3 or 4 channels can be")
    given, kept = formats[channels]
    codec = av.CodecContext.create(codec_name, "w")
    codec.width, codec.height, codec.pix_fmt, codec.time_base = width, height, kept, Fraction(1, 1)
    values = np.ascontiguousarray(values[..., 0] if channels == 1 else values)
    frame = av.VideoFrame.from_ndarray(values, format=given)
    if given != kept:
        frame = frame.reformat(format=kept)
    frame.pts = 0
    return b"".join(bytes(packet) for packet in [*codec.encode(frame), *codec.encode(None)])
