"""Small sound files as recorders, phones and shops write them: a second, silent in its first half, then a tone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image as Pillow

from benchmarks.media.films import LAYOUTS, patches, tone


@dataclass
class Sound:
    """How a sound file is made. ``shift_s``: at which time the file says that it begins."""

    codec: str
    container: str | None = None
    channels: int = 2
    rate_hz: int = 48000
    shift_s: float = 0.0
    seconds: float = 1.0
    options: Mapping[str, str] = field(default_factory=dict)
    cover: bool = False

    def write(self, path: Path) -> Path:
        """The sound's file."""
        layout = LAYOUTS[self.channels]
        with av.open(str(path), "w", format=self.container) as out:
            track = out.add_stream(self.codec, rate=self.rate_hz, layout=layout)
            track.codec_context.options = {"strict": "-2", **self.options}
            cover = out.add_stream("png", rate=1) if self.cover else None
            if cover is not None:
                cover.width, cover.height, cover.pix_fmt = 64, 48, "rgb24"
                picture = av.VideoFrame.from_image(Pillow.fromarray(patches(64, 48)))
                out.mux([*cover.encode(picture), *cover.encode(None)])
            frame = av.AudioFrame.from_ndarray(self._waveform(), format="fltp", layout=layout)
            frame.sample_rate, frame.time_base = self.rate_hz, Fraction(1, self.rate_hz)
            frame.pts = round(self.shift_s * self.rate_hz)
            out.mux([*track.encode(frame), *track.encode(None)])
        return path

    def _waveform(self) -> np.ndarray:
        return tone(self.seconds, channels=self.channels, rate_hz=self.rate_hz)


def chained(sound: Sound) -> Callable[[Path], object]:
    """The same stream twice, one after the other, as web radios send them."""

    def make(path: Path) -> None:
        path.write_bytes(sound.write(path).read_bytes() * 2)

    return make
