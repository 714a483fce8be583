"""Writing sound: files of its own and tracks of films, resampled and mixed down where an encoder asks for it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from torch import Tensor

from engine.errors import InputInvalid
from nodes.media.telling import NOBODY, NodeContext

LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
_BLOCK = 2**16  # samples that are encoded at a time
_OPUS_RATES = (8000, 12000, 16000, 24000, 48000)
_MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_AAC_RATES = (7350, 8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)


@dataclass(frozen=True, slots=True)
class Encoder:
    """What an encoder takes. ``rates_hz``: empty for any; ``layouts``: by channels, where the usual name is not its."""

    name: str
    rates_hz: tuple[int, ...] = ()
    layouts: Mapping[int, str] | None = None
    most_channels: int = 8
    max_rate_hz: int = 655_350


ENCODERS = {
    "flac": Encoder("flac"),
    "mp3": Encoder("libmp3lame", _MP3_RATES, most_channels=2),
    "opus": Encoder("libopus", _OPUS_RATES),
    "aac": Encoder("aac", _AAC_RATES, {3: "3.0", 4: "4.0", 5: "5.0", 7: "6.1"}),
}


def write(
    path: Path,
    waveform: Tensor,
    rate_hz: int,
    kind: str,
    quality: str,
    texts: Mapping[str, str],
    run: NodeContext = NOBODY,
) -> None:
    """Write ``waveform`` (float32[channels, samples]) as ``flac``, ``mp3`` or ``opus``, with ``texts`` as metadata.

    ``quality``: ``V0``, ``128k`` ...; FLAC has 24 bits, or 16 where those hold all. Raises ``InputInvalid``.
    """
    with av.open(str(path), mode="w", format=kind) as container:
        container.metadata.update(texts)
        track = Track(container, kind, waveform, rate_hz, run, quality)
        track.finish(None)


class Track:
    """A sound track of an open container, written little by little."""

    def __init__(
        self, container: Any, kind: str, waveform: Tensor, rate_hz: int, run: NodeContext = NOBODY, quality: str = ""
    ) -> None:
        encoder = ENCODERS[kind]
        self._container = container
        self._waveform, self._rate_hz = _fitted(waveform, rate_hz, encoder, run)
        channels = len(self._waveform)
        self._layout = (encoder.layouts or {}).get(channels, LAYOUTS[channels])
        self._done = 0
        stream = container.add_stream(encoder.name, rate=self._rate_hz, layout=self._layout)
        if kind == "flac" and not _holds_16_bits(self._waveform):
            stream.codec_context.format = "s32"
            stream.codec_context.options = {"bits_per_raw_sample": "24"}
        elif kind == "flac":
            stream.codec_context.format = "s16"
        if quality == "V0":
            stream.codec_context.qscale = 1
        elif quality:
            stream.bit_rate = int(quality.removesuffix("k")) * 1000
        self._stream = stream
        self._resampler = av.AudioResampler(format=stream.codec_context.format, layout=self._layout, rate=self._rate_hz)

    def write_until(self, seconds: Fraction) -> None:
        """Encode what is before this time and has not been written yet, in whole blocks."""
        end = min(math.ceil(seconds * self._rate_hz), self._waveform.shape[1])
        while end - self._done >= _BLOCK:
            self._encode(self._done + _BLOCK)

    def finish(self, seconds: Fraction | None) -> None:
        """Encode what is left, up to this time where one is given, and end the track."""
        end = self._waveform.shape[1]
        if seconds is not None:
            end = min(end, math.ceil(seconds * self._rate_hz))
        while self._done < end:
            self._encode(min(end, self._done + _BLOCK))
        for frame in self._resampler.resample(None):
            self._container.mux(self._stream.encode(frame))
        self._container.mux(self._stream.encode(None))

    def _encode(self, end: int) -> None:
        frame = _frame(self._waveform[:, self._done : end], self._layout, self._rate_hz)
        frame.pts, frame.time_base = self._done, Fraction(1, self._rate_hz)
        self._done = end
        for made in self._resampler.resample(frame):
            self._container.mux(self._stream.encode(made))


def _fitted(waveform: Tensor, rate_hz: int, encoder: Encoder, run: NodeContext) -> tuple[Tensor, int]:
    """The waveform with channels and a sample rate that the encoder takes."""
    channels = len(waveform)
    if not 1 <= channels <= max(LAYOUTS):
        raise InputInvalid(
            f"sound of {channels} channels cannot be written", input="audio", remedy="at most 8 channels are taken"
        )
    waveform = waveform.float().nan_to_num(0.0)
    if channels > encoder.most_channels:
        waveform = mixed_down(waveform)
        run.note(f"the sound of {channels} channels is mixed down to stereo, since {encoder.name} has no more")
    wanted_hz = rate_hz
    if encoder.rates_hz and rate_hz not in encoder.rates_hz:
        wanted_hz = next((rate for rate in encoder.rates_hz if rate > rate_hz), encoder.rates_hz[-1])
    wanted_hz = min(wanted_hz, encoder.max_rate_hz)
    if wanted_hz != rate_hz:
        run.note(f"the sound of {rate_hz} Hz is resampled to {wanted_hz} Hz, which {encoder.name} takes")
    return resample(waveform, rate_hz, wanted_hz), wanted_hz


def mixed_down(waveform: Tensor) -> Tensor:
    """Stereo of more channels, with the weights of ITU-R BS.775 (3 dB less for centre and surround)."""
    rate_hz = 48000  # No rate is changed: any that stands on both sides will do.
    resampler = av.AudioResampler(format="flt", layout="stereo", rate=rate_hz)
    frame = _frame(waveform, LAYOUTS[len(waveform)], rate_hz)
    parts = [part.to_ndarray() for given in (frame, None) for part in resampler.resample(given)]
    return torch.from_numpy(np.concatenate(parts, axis=1).reshape(-1, 2)).T


def _frame(waveform: Tensor, layout: str, rate_hz: int) -> Any:
    """Interleaved samples: PyAV counts one plane too many where eight channels lie apart."""
    samples = waveform.T.contiguous().numpy().reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(samples, format="flt", layout=layout)
    frame.sample_rate = rate_hz
    return frame


def _holds_16_bits(waveform: Tensor) -> bool:
    scaled = waveform * 32768.0
    return bool((scaled == scaled.round()).all()) and bool(scaled.abs().max() <= 32768 if scaled.numel() else True)


def resample(waveform: Tensor, from_hz: int, to_hz: int) -> Tensor:
    """The same sound at another sample rate (polyphase filter); any leading dimensions."""
    if from_hz == to_hz:
        return waveform
    import scipy.signal  # slow to import, and most sound is never resampled

    common = math.gcd(from_hz, to_hz)
    changed = scipy.signal.resample_poly(waveform.numpy(), to_hz // common, from_hz // common, axis=-1)
    return torch.from_numpy(changed.astype(np.float32))
