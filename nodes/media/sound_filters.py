"""Filters for sound: shelves and peaks, by Robert Bristow-Johnson's Cookbook formulae for audio equalizer biquads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from scipy.signal import lfilter
from torch import Tensor

from engine.types import Audio
from nodes.media.telling import NodeContext

BUTTERWORTH_Q = 0.707


@dataclass(frozen=True, slots=True)
class Band:
    """Makes frequencies below (``bass``), around (``middle``) or above (``treble``) ``hz`` louder by ``gain_db``."""

    kind: Literal["bass", "middle", "treble"]
    hz: float
    gain_db: float
    q: float = BUTTERWORTH_Q

    def coefficients(self, rate_hz: int) -> tuple[np.ndarray, np.ndarray]:
        """Of the filter's numerator and denominator."""
        turn = 2 * math.pi * self.hz / rate_hz
        alpha, cosine, level = math.sin(turn) / (2 * self.q), math.cos(turn), 10 ** (self.gain_db / 40)
        if self.kind == "middle":
            above = [1 + alpha * level, -2 * cosine, 1 - alpha * level]
            below = [1 + alpha / level, -2 * cosine, 1 - alpha / level]
            return np.array(above), np.array(below)
        sign = 1 if self.kind == "bass" else -1
        more, less, width = level + 1, level - 1, 2 * math.sqrt(level) * alpha
        above = [
            level * (more - sign * less * cosine + width),
            sign * 2 * level * (less - sign * more * cosine),
            level * (more - sign * less * cosine - width),
        ]
        below = [
            more + sign * less * cosine + width,
            sign * -2 * (less + sign * more * cosine),
            more + sign * less * cosine - width,
        ]
        return np.array(above), np.array(below)


def equalized(audio: Audio, bands: Sequence[Band], run: NodeContext) -> Audio:
    """The sound through all bands, one after the other, each clipped at -1 and 1."""
    waveform = audio.waveform.numpy()
    for band in bands:
        if band.gain_db == 0 or not waveform.size:
            continue
        if band.hz >= audio.sample_rate_hz / 2:
            run.note(f"{band.kind}: a sound of {audio.sample_rate_hz} Hz has nothing at {band.hz:g} Hz; left out")
            continue
        run.check_cancelled()
        waveform = np.clip(lfilter(*band.coefficients(audio.sample_rate_hz), waveform), -1, 1)
    return Audio(torch.from_numpy(np.ascontiguousarray(waveform, dtype=np.float32)), audio.sample_rate_hz)


def stereo(left: Tensor, right: Tensor, rate_hz: int) -> Audio:
    """Two channels, float32[batch, 1, samples], as long as the shorter."""
    samples = min(left.shape[-1], right.shape[-1])
    return Audio(torch.cat([left[..., :samples], right[..., :samples]], dim=1), rate_hz)
