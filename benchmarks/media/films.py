"""Small films as cameras, phones and recorders write them, made with PyAV: four patches of colour, and a tone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorRange, Interpolation

WIDTH, HEIGHT = 128, 96
RED, GREEN, BLUE, GREY = (200, 30, 30), (30, 180, 30), (30, 30, 200), (128, 128, 128)
RATE_HZ = 48000
ONSET_S = 0.5
WHITE_16 = 255 * 256  # what libswscale takes for white in 16 bits
X265 = "log-level=none:bframes=0"  # with B-frames, the time of a film's only frame is now and then undefined
LAYOUTS = {1: "mono", 2: "stereo", 4: "quad", 6: "5.1"}
MATRIX_NUMBERS = {"bt601": 5, "bt709": 1, "bt2020": 9}


def patches(width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """uint8[height, width, 3]: red and green above, blue and grey below."""
    picture = np.zeros((height, width, 3), np.uint8)
    y, x = height // 2, width // 2
    picture[:y, :x], picture[:y, x:], picture[y:, :x], picture[y:, x:] = RED, GREEN, BLUE, GREY
    return picture


def colours(pixels: Any) -> np.ndarray:
    """The levels (0..255) in the middle of each quarter: top left, top right, bottom left, bottom right."""
    values = np.asarray(pixels, dtype=np.float64) * 255
    height, width = values.shape[:2]
    return np.stack([values[y * height // 4, x * width // 4] for y in (1, 3) for x in (1, 3)])


def tone(seconds: float = 1.0, onset_s: float = ONSET_S, channels: int = 1, rate_hz: int = RATE_HZ) -> np.ndarray:
    """float32[channels, samples]: silence, and from ``onset_s`` on 440 Hz."""
    times = np.arange(round(seconds * rate_hz)) / rate_hz
    wave = 0.5 * np.sin(2 * np.pi * 440 * times) * (times >= onset_s)
    return np.tile(wave.astype(np.float32), (channels, 1))


def onset_s(waveform: Any, rate_hz: int) -> float:
    """When the sound first is louder than a tenth of the tone."""
    return float(np.argmax(np.abs(np.asarray(waveform)[0, 0]) > 0.05)) / rate_hz


@dataclass
class Film:
    """How a film is made. ``times``: of each frame, in seconds; ``matrix`` and ``full``: how RGB becomes YUV.

    ``tags``: what the encoder is told to say of colours (``colorspace``, ``color_trc`` ...); ``shift_s`` and
    ``sound_shift_s``: when pictures and sound begin. ``prepare``: called with the picture stream.
    """

    frames: int = 25
    rate: Fraction = Fraction(25)
    size: tuple[int, int] = (WIDTH, HEIGHT)
    codec: str = "libx264"
    pixel_format: str = "yuv420p"
    matrix: str = "bt601"
    full: bool = False
    tags: Mapping[str, int] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    container: str | None = None
    container_options: Mapping[str, str] = field(default_factory=dict)
    times: Iterable[float] | None = None
    shift_s: float = 0.0
    sound: np.ndarray | None = None
    sound_codec: str = "aac"
    sound_options: Mapping[str, str] = field(default_factory=dict)
    sound_shift_s: float = 0.0
    pixels: Callable[[int], np.ndarray] | None = None
    pixel_input: str = "rgb24"
    prepare: Callable[[Any], None] = lambda _: None
    prepare_frame: Callable[[Any], None] = lambda _: None

    def write(self, path: Path) -> Path:
        """The film's file."""
        with av.open(
            str(path), "w", format=self.container, options={"strict": "experimental", **self.container_options}
        ) as out:
            stream = out.add_stream(self.codec, rate=self.rate)
            stream.width, stream.height = self.size
            stream.pix_fmt = self.pixel_format
            # Low delay by default: times then are what the test says.
            stream.options = {"bf": "0", **self.options} if self.codec == "libx264" else dict(self.options)
            for name, value in self.tags.items():
                setattr(stream.codec_context, name, value)
            self.prepare(stream)
            track = self._track(out)
            base = Fraction(1, 90000) if self.times is not None else 1 / self.rate
            if self.times is not None:
                stream.codec_context.time_base = base
            even = (number / self.rate for number in range(self.frames))
            times = [float(time) for time in (even if self.times is None else self.times)]
            packets = []
            for number, time in enumerate(times):
                frame = self._frame(number)
                frame.pts, frame.time_base = round((time + self.shift_s) / float(base)), base
                packets += stream.encode(frame)
            packets += stream.encode(None)
            if track is not None:
                packets += self._sound(track)
            for packet in sorted(packets, key=lambda p: p.dts * p.time_base):
                out.mux(packet)
        return path

    def _track(self, out: Any) -> Any:
        if self.sound is None:
            return None
        layout = LAYOUTS[len(self.sound)]
        track = out.add_stream(self.sound_codec, rate=RATE_HZ, layout=layout)
        track.codec_context.options = dict(self.sound_options)
        return track

    def _sound(self, track: Any) -> list[Any]:
        assert self.sound is not None
        frame = av.AudioFrame.from_ndarray(self.sound, format="fltp", layout=track.layout.name)
        frame.sample_rate, frame.time_base = RATE_HZ, Fraction(1, RATE_HZ)
        frame.pts = round(self.sound_shift_s * RATE_HZ)
        return [*track.encode(frame), *track.encode(None)]

    def _frame(self, number: int) -> Any:
        pixels = patches(*self.size) if self.pixels is None else self.pixels(number)
        frame = av.VideoFrame.from_ndarray(pixels, format=self.pixel_input).reformat(
            format=self.pixel_format,
            dst_colorspace=MATRIX_NUMBERS[self.matrix],
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.JPEG if self.full else ColorRange.MPEG,
            interpolation=int(Interpolation.BILINEAR | Interpolation.ACCURATE_RND),
        )
        frame.colorspace, frame.color_range = 2, 0
        for name, value in self.tags.items():
            setattr(frame, name, value)
        self.prepare_frame(frame)
        return frame


def frame_number(pixels: Any) -> int:
    """The number that :func:`numbered` painted."""
    return round(float(np.asarray(pixels)[..., 1].mean()) * 255 / 8)


def numbered(number: int) -> np.ndarray:
    """A grey picture, lighter by eight levels with each number up to 31."""
    return np.full((HEIGHT, WIDTH, 3), number * 8, np.uint8)
