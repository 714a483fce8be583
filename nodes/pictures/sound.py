"""Sound files: reading, writing, and changing the sample rate. Waveforms are float32[channels, samples], -1..1."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from torch import Tensor

from engine.errors import InputInvalid
from engine.types import Audio

LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}
CODECS = {"flac": "flac", "mp3": "libmp3lame", "opus": "libopus"}
OPUS_RATES_HZ = (8000, 12000, 16000, 24000, 48000)


def read(path: Path) -> Audio:
    """The first sound track of a sound or film file: float32[1, channels, samples]. Raises ``InputInvalid``."""
    try:
        with av.open(str(path)) as container:
            audio = decode(container)
    except av.FFmpegError as error:
        raise InputInvalid(f"'{path.name}' is no readable sound file: {error}", input="audio") from error
    if audio is None:
        raise InputInvalid(f"'{path.name}' holds no sound", input="audio")
    return audio


def decode(container: Any) -> Audio | None:
    """The first sound track of an open container, or None."""
    if not container.streams.audio:
        return None
    stream = container.streams.audio[0]
    planar = av.AudioResampler(format="fltp")
    chunks: list[np.ndarray] = []
    for frame in (*container.decode(stream), None):
        chunks += [part.to_ndarray() for part in planar.resample(frame)] if frame is not None or chunks else []
    if not chunks:
        return None
    waveform = torch.from_numpy(np.concatenate(chunks, axis=1))
    return Audio(waveform[None], int(stream.codec_context.sample_rate))


def write(path: Path, waveform: Tensor, rate_hz: int, kind: str, quality: str, texts: Mapping[str, str]) -> None:
    """Write a ``flac``, ``mp3`` (quality ``V0``, ``128k`` ...) or ``opus`` file, with ``texts`` as its metadata."""
    if kind == "opus" and rate_hz not in OPUS_RATES_HZ:
        wanted_hz = next((rate for rate in OPUS_RATES_HZ if rate > rate_hz), OPUS_RATES_HZ[-1])
        waveform, rate_hz = resample(waveform, rate_hz, wanted_hz), wanted_hz
    with av.open(str(path), mode="w", format=kind) as container:
        container.metadata.update(texts)
        stream = container.add_stream(CODECS[kind], rate=rate_hz, layout=layout(waveform))
        if quality == "V0":
            stream.codec_context.qscale = 1
        elif quality:
            stream.bit_rate = int(quality.removesuffix("k")) * 1000
        container.mux(encoded(stream, waveform, rate_hz))


def layout(waveform: Tensor) -> str:
    """What players call this number of channels. Raises ``InputInvalid`` for one that has no name."""
    if len(waveform) not in LAYOUTS:
        raise InputInvalid(f"sound of {len(waveform)} channels cannot be written", input="audio")
    return LAYOUTS[len(waveform)]


def encoded(stream: Any, waveform: Tensor, rate_hz: int) -> Iterable[Any]:
    """All packets of one waveform."""
    interleaved = waveform.movedim(0, 1).reshape(1, -1).contiguous().numpy()
    frame = av.AudioFrame.from_ndarray(interleaved, format="flt", layout=layout(waveform))
    frame.sample_rate = rate_hz
    frame.pts = 0
    yield from stream.encode(frame)
    yield from stream.encode(None)


def resample(waveform: Tensor, from_hz: int, to_hz: int) -> Tensor:
    """The same sound at another sample rate (polyphase filter); any leading dimensions."""
    if from_hz == to_hz:
        return waveform
    import scipy.signal  # slow to import, and most sound is never resampled

    common = math.gcd(from_hz, to_hz)
    changed = scipy.signal.resample_poly(waveform.numpy(), to_hz // common, from_hz // common, axis=-1)
    return torch.from_numpy(changed.astype(np.float32))
