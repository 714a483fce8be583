"""Writing films: MP4, Matroska and WEBM, tagged BT.709, frame by frame, with sound that its encoder takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, ColorTrc, VideoReformatter

from engine.errors import InputInvalid
from engine.types import Audio
from nodes.media import colour, sound_files
from nodes.media.clock import exact_rate
from nodes.media.telling import NOBODY, NodeContext

FORMATS = {"mp4": "mp4", "mkv": "matroska", "webm": "webm"}
ENCODERS = {"h264": "libx264", "hevc": "libx265", "vp9": "libvpx-vp9", "av1": "libsvtav1"}
MOST_QUALITY = {"h264": 51, "vp9": 63, "av1": 63}
# "auto" and "sRGB" are ordinary films; the others carry pixels that are in HLG or PQ already.
TRANSFERS = {"sRGB": ColorTrc.BT709, "HDR": ColorTrc.ARIB_STD_B67, "HDR PQ": ColorTrc.SMPTE2084}
_LARGE_PX = 1920 * 1088
_LARGE = "sync-lookahead=0:mbtree=0:bframes=0:ref=1:weightp=0:sliced-threads=1:threads=4"
_SOUND = {"mp4": "aac", "matroska": "aac", "webm": "opus"}


@dataclass(frozen=True, slots=True)
class Encoding:
    """How pictures are written. ``crf``: constant quality, lower is better; ``None`` is the encoder's own.

    ``transfer``: ``sRGB``, ``HDR`` (HLG) or ``HDR PQ``. ``alpha``: written where the codec has it (VP9).
    """

    codec: str = "h264"
    crf: float | None = None
    bit_depth: int = 8
    transfer: str = "sRGB"
    alpha: bool = False
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def pixel_format(self) -> str:
        """What the encoder is given."""
        if self.alpha and self.codec == "vp9":
            return "yuva420p"
        deep = self.bit_depth > 8 or self.transfer != "sRGB" or self.codec == "av1"
        return "yuv420p10le" if deep else "yuv420p"


def write(
    path: Path,
    format: str,
    frames: Iterator[np.ndarray],
    size: tuple[int, int],
    fps: float | Fraction,
    encoding: Encoding,
    audio: Audio | None = None,
    texts: Mapping[str, str] | None = None,
    run: NodeContext = NOBODY,
) -> None:
    """Encode ``frames`` ([height, width, channels], uint8 or float 0..1), ``fps`` a second, with ``texts`` as metadata.

    Sound is cut at the last frame. Raises ``InputInvalid`` where there are no frames or sides that the codec has not.
    """
    rate = exact_rate(fps)
    to_yuv = ToYuv(encoding)

    def made() -> Iterator[Any]:
        for number, pixels in enumerate(frames):
            frame = to_yuv.frame(pixels)
            frame.pts, frame.time_base = number, 1 / rate
            yield frame

    write_frames(path, format, made(), size, rate, encoding, audio, texts or {}, run)


def write_frames(
    path: Path,
    format: str,
    frames: Iterator[Any],
    size: tuple[int, int],
    rate: Fraction,
    encoding: Encoding,
    audio: Audio | None,
    texts: Mapping[str, str],
    run: NodeContext,
) -> None:
    """Encode frames that are as the encoder takes them and have their times. Raises as :func:`write` does."""
    name = FORMATS[format]
    _check_size(size, encoding)
    first = next(frames, None)
    if first is None:
        raise InputInvalid("there are no frames to write", input="video", remedy="give at least one picture")
    with output(path, name, texts) as container:
        stream = picture_stream(container, encoding, size, rate)
        stream.codec_context.time_base = first.time_base
        track, end_s = None, Fraction(0)
        if audio is not None and audio.waveform.numel():
            track = sound_files.Track(container, _SOUND[name], audio.waveform[0], audio.sample_rate_hz, run)
        for frame in chain([first], frames):
            run.check_cancelled()
            end_s = frame.pts * frame.time_base + 1 / rate
            container.mux(stream.encode(frame))
            if track is not None:
                track.write_until(end_s)
        container.mux(stream.encode(None))
        if track is not None:
            track.finish(end_s)


def output(path: Path, name: str, texts: Mapping[str, str]) -> Any:
    """A new container whose metadata are ``texts``; an MP4's index stands at its beginning."""
    options = {"movflags": "use_metadata_tags+faststart"} if name == "mp4" else {}
    container = av.open(str(path), mode="w", format=name, options=options)
    container.metadata.update(texts)
    return container


def picture_stream(container: Any, encoding: Encoding, size: tuple[int, int], rate: Fraction) -> Any:
    """A stream for pictures of this size, tagged as what they are."""
    stream = container.add_stream(ENCODERS[encoding.codec], rate=rate)
    stream.width, stream.height = size
    stream.pix_fmt = encoding.pixel_format
    hdr = encoding.transfer != "sRGB"
    context = stream.codec_context
    if encoding.codec == "hevc" and container.format.name == "mp4":
        context.codec_tag = "hvc1"  # by which Apple's players know it
    context.colorspace = colour.BT2020 if hdr else colour.BT709
    context.color_primaries = ColorPrimaries.BT2020 if hdr else ColorPrimaries.BT709
    context.color_trc = TRANSFERS[encoding.transfer]
    context.color_range = ColorRange.MPEG
    stream.options = {**_options(encoding, size), **encoding.options}
    if encoding.codec != "h264":
        stream.bit_rate = 0
    return stream


def _options(encoding: Encoding, size: tuple[int, int]) -> dict[str, str]:
    options = {}
    if encoding.crf is not None:
        lossless = encoding.codec == "av1" and encoding.crf == 0
        options = {"svtav1-params": "lossless=1"} if lossless else {"crf": f"{encoding.crf:g}"}
    if encoding.codec == "av1":
        options["preset"] = "6"
    if encoding.codec == "hevc":
        options["x265-params"] = "log-level=error"
    if encoding.codec == "h264" and size[0] * size[1] > _LARGE_PX:
        # As it comes, the encoder holds some 60 frames: those that it looks ahead over, and each thread's.
        options |= {"rc-lookahead": "0", "x264-params": _LARGE}
    return options


class ToYuv:
    """Pixels as frames for the encoder: BT.709 (HDR: BT.2020), limited range, the matrix applied with rounding."""

    def __init__(self, encoding: Encoding) -> None:
        self._encoding = encoding
        self._scaler = VideoReformatter()

    def frame(self, pixels: np.ndarray) -> Any:
        """One frame. Eight-bit levels of floats are rounded down, as those of saved pictures are.

        In 16 bits libswscale takes 255 in the upper eight for white.
        """
        deep = self._encoding.bit_depth > 8 or self._encoding.transfer != "sRGB"
        alpha = self._encoding.pixel_format == "yuva420p" and pixels.shape[-1] == 4
        pixels = pixels if alpha else pixels[..., :3]
        if pixels.dtype == np.uint8:
            made = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgba" if alpha else "rgb24")
        elif deep and not alpha:
            made = av.VideoFrame.from_ndarray(_levels(pixels, 255 * 256, np.uint16), format="rgb48le")
        else:
            made = av.VideoFrame.from_ndarray(_levels(pixels, 255, np.uint8), format="rgba" if alpha else "rgb24")
        hdr = self._encoding.transfer != "sRGB"
        frame = self._scaler.reformat(
            made,
            format=self._encoding.pixel_format,
            dst_colorspace=colour.BT2020 if hdr else colour.BT709,
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.MPEG,
            interpolation=colour.ACCURATE,
        )
        frame.color_primaries = ColorPrimaries.BT2020 if hdr else ColorPrimaries.BT709
        frame.color_trc = TRANSFERS[self._encoding.transfer]
        return frame


def _levels(pixels: np.ndarray, top: int, kind: type) -> np.ndarray:
    scaled = np.multiply(pixels, np.float32(top), dtype=np.float32)
    levels: np.ndarray = np.nan_to_num(np.clip(scaled, 0, top, out=scaled), copy=False).astype(kind)
    return levels


def _check_size(size: tuple[int, int], encoding: Encoding) -> None:
    width, height = size
    if encoding.codec == "h264" and (width % 2 or height % 2):
        raise InputInvalid(
            f"H.264 needs even sides, not {width}x{height}",
            input="video",
            remedy="crop or scale the frames to an even number of pixels",
        )
