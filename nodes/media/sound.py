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
from nodes.media.telling import NOBODY, NodeContext

MAX_SAMPLES = 2**30
# Times may jitter by this without anything being missing or twice there; containers round them.
_JITTER_S = 0.1
# What an encoder fills its last block with is cut where the file says how long the sound is.
_MAX_PADDING = 4096


def read(path: Path, run: NodeContext = NOBODY) -> Audio:
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


def decode(container: Any, track: Any, start_s: Fraction | None, path: Path, run: NodeContext = NOBODY) -> Audio | None:
    """The track's sound from ``start_s`` on, or from its own beginning; ``None`` where there is none.

    Sound before ``start_s`` is cut, and what is missing at the beginning, or for long in between, is silence. Damaged
    packets are skipped, with a note.
    """
    skipped: list[int] = []
    placed: _Placed | None = None
    for frame in _frames(container, track, skipped):
        run.check_cancelled()
        if placed is None:
            if start_s is None and frame.pts is not None:
                start_s = frame.pts * frame.time_base
            placed = _Placed(frame, start_s, _longest_gap(container, frame.sample_rate))
        placed.add(frame, resync=len(skipped))
        if placed.position > MAX_SAMPLES:
            raise InputInvalid(
                f"the sound of '{path.name}' has more than {MAX_SAMPLES:,} samples",
                input="audio",
                remedy="cut it into shorter pieces",
            )
    if skipped:
        count = len(skipped)
        run.note(f"'{path.name}': {count} damaged packet{'s' if count > 1 else ''} of its sound left out")
    if placed is None or not placed.chunks:
        return None
    waveform = np.concatenate(placed.chunks, axis=1)
    end = _stated_end(track, start_s, placed.rate_hz)
    if end is not None and 0 < waveform.shape[1] - end <= _MAX_PADDING:
        waveform = waveform[:, :end]
    return Audio(torch.from_numpy(waveform)[None], placed.rate_hz)


class _Placed:
    """Samples from time ``start_s`` on, in ``chunks``. ``position``: where the next ones come, counted from there."""

    def __init__(self, first: Any, start_s: Fraction | None, longest_gap: int) -> None:
        self.rate_hz = int(first.sample_rate)
        self.chunks: list[np.ndarray] = []
        self.position = 0
        self._channels = first.layout.nb_channels
        self._floats = av.AudioResampler(format="flt", layout=first.layout.name, rate=self.rate_hz)
        self._start_s = start_s
        self._longest_gap = longest_gap
        self._resyncs = -1

    def add(self, frame: Any, resync: int) -> None:
        """Append a frame: behind the one before; in its own place at first, after gaps and after each ``resync``."""
        if frame.pts is not None and self._start_s is not None:
            at = round((frame.pts * frame.time_base - self._start_s) * self.rate_hz)
            if self._resyncs < 0 and at < 0:
                self.position = at
            elif self._resyncs < resync or at - self.position > _JITTER_S * self.rate_hz:
                self._silence_until(at)
            self._resyncs = resync
        for part in self._floats.resample(frame):
            self._append(part.to_ndarray().reshape(-1, self._channels).T)

    def _silence_until(self, at: int) -> None:
        missing = at - max(self.position, 0)
        if 0 < missing <= self._longest_gap:
            self.chunks.append(np.zeros((self._channels, missing), dtype=np.float32))
            self.position = at

    def _append(self, samples: np.ndarray) -> None:
        """Keep what lies at or after 0."""
        end = self.position + int(samples.shape[1])
        if end > 0:
            self.chunks.append(samples[:, max(0, -self.position) :])
        self.position = end


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
    end_s: Fraction = (track.start_time + track.duration) * track.time_base
    return round((end_s - start_s) * rate_hz)
