"""Decoding sound: in its place by its times, with what is missing as silence. Waveforms are float32, -1..1."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch

from engine.errors import InputInvalid
from engine.types import Audio
from nodes.media import opening
from nodes.media.telling import NOBODY, Run

MAX_SAMPLES = 2**30
# Times may jitter by this without anything being missing or twice there; containers round them.
_JITTER_S = 0.1
# What an encoder fills its last block with is cut where the file says how long the sound is.
_MAX_PADDING = 4096


def read(path: Path, run: Run = NOBODY) -> Audio:
    """The first sound track of a sound or film file that can be decoded: float32[1, channels, samples].

    Raises ``InputInvalid``.
    """
    with opening.opened(path, "audio") as container:
        track = opening.sound_track(container)
        if track is None:
            kind = " of a kind that can be decoded here" if container.streams.audio else ""
            raise InputInvalid(f"'{path.name}' holds no sound{kind}", input="audio", remedy=opening.SOUND)
        start_s = track.start_time * track.time_base if track.start_time is not None else None
        audio = decode(container, track, start_s, path, run)
    if audio is None:
        raise InputInvalid(f"'{path.name}' holds no sound", input="audio", remedy=opening.SOUND)
    return audio


def start_of(container: Any, track: Any) -> Fraction | None:
    """When the track's sound begins, in the file's time; ``None`` where none of it can be decoded."""
    for frame in _frames(container, track, []):
        return Fraction(0) if frame.pts is None else frame.pts * frame.time_base
    return None


def decode(container: Any, track: Any, start_s: Fraction | None, path: Path, run: Run = NOBODY) -> Audio | None:
    """The track's sound from ``start_s`` on, or from its own beginning; ``None`` where there is none.

    Sound before ``start_s`` is cut, and what is missing at the beginning, or for long in between, is silence. Damaged
    packets are skipped, with a note.
    """
    skipped: list[int] = []
    chunks: list[np.ndarray] = []
    rate_hz, channels, position, damaged = 0, 0, 0, 0
    planar: Any = None
    for frame in _frames(container, track, skipped):
        run.check_cancelled()
        if planar is None:
            rate_hz, channels = frame.sample_rate, frame.layout.nb_channels
            planar = av.AudioResampler(format="fltp", layout=frame.layout.name, rate=rate_hz)
            if start_s is None and frame.pts is not None:
                start_s = frame.pts * frame.time_base
        if frame.pts is not None and start_s is not None:
            at = round((frame.pts * frame.time_base - start_s) * rate_hz)
            resync = not chunks or len(skipped) > damaged or abs(at - position) > _JITTER_S * rate_hz
            if resync and at > position and at - position <= _longest_gap(container, rate_hz):
                chunks.append(np.zeros((channels, at - position), dtype=np.float32))
                position = at
            elif not chunks and at < 0:
                position = at
        damaged = len(skipped)
        for part in planar.resample(frame):
            position = _add(chunks, part.to_ndarray(), position)
        if position > MAX_SAMPLES:
            raise InputInvalid(
                f"the sound of '{path.name}' has more than {MAX_SAMPLES:,} samples",
                input="audio",
                remedy="cut it into shorter pieces",
            )
    if skipped:
        count = len(skipped)
        run.note(f"'{path.name}': {count} damaged packet{'s' if count > 1 else ''} of its sound left out")
    if not chunks:
        return None
    waveform = np.concatenate(chunks, axis=1)
    end = _stated_end(track, start_s, rate_hz)
    if end is not None and 0 < waveform.shape[1] - end <= _MAX_PADDING:
        waveform = waveform[:, :end]
    return Audio(torch.from_numpy(waveform)[None], rate_hz)


def _add(chunks: list[np.ndarray], samples: np.ndarray, position: int) -> int:
    """Append what lies at or after 0, and return the position behind it."""
    end = position + samples.shape[1]
    if end > 0:
        chunks.append(samples[:, max(0, -position) :])
    return end


def _frames(container: Any, track: Any, skipped: list[int]) -> Iterator[Any]:
    """Decoded frames; ``skipped`` grows by an entry a packet that cannot be decoded."""
    try:
        for packet in container.demux(track):
            try:
                yield from packet.decode()
            except av.FFmpegError:
                skipped.append(packet.size)
    except av.FFmpegError:
        return


def _longest_gap(container: Any, rate_hz: int) -> int:
    """Silence is added for what the file can hold: its length, or ten minutes where it does not say."""
    seconds = container.duration / av.time_base if container.duration else 600
    return int(min(max(seconds, 1) * rate_hz, MAX_SAMPLES))


def _stated_end(track: Any, start_s: Fraction | None, rate_hz: int) -> int | None:
    """Where the file says that the sound ends, in samples from ``start_s`` on."""
    if track.duration is None or track.start_time is None or start_s is None:
        return None
    return round(((track.start_time + track.duration) * track.time_base - start_s) * rate_hz)
