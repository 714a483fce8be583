"""When frames are shown: the rate that their times tell, and which place in an even row each of them has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

# Rates that cameras and editors have.
USUAL_RATES = tuple(
    Fraction(n, d)
    for n, d in (
        (24000, 1001), (24, 1), (25, 1), (30000, 1001), (30, 1), (48, 1), (50, 1), (60000, 1001), (60, 1), (90, 1),
        (100, 1), (120000, 1001), (120, 1), (240, 1), (25, 2), (15, 1), (12, 1), (10, 1), (8, 1), (20, 1), (5, 1),
    )
)  # fmt: skip
MAX_RATE = 1000
MAX_FRAMES = 500_000  # four and a half hours at 30 a second
_TICKS = 1.5  # by which times may be rounded
_SCREENS = Fraction(120)
_HALF = 0.49  # of a frame: nearer to its own place than to another
_LIKE = 0.02  # how near the mean rate a usual one must be


@dataclass(frozen=True, slots=True)
class Clock:
    """``count`` places, a frame each, ``rate`` a second, the first at ``start_s`` of the file's own time.

    ``even``: each frame has a place of its own and none is empty; else a place shows the last frame before it.
    """

    rate: Fraction
    start_s: Fraction
    count: int
    even: bool

    def place(self, time_s: Fraction) -> int:
        """Which place a frame of this time has."""
        return round((time_s - self.start_s) * self.rate)

    @property
    def end_s(self) -> Fraction:
        """When the last place ends."""
        return self.start_s + self.count / self.rate


def read_times(times: Sequence[int], last_duration: int, time_base: Fraction, stated: Sequence[Fraction]) -> Clock:
    """A clock from the frames' times, in units of ``time_base`` and any order, and from what the file states of rates.

    Frame times decide: a stated rate counts only where they keep to it. Where they keep to no rate, the one of the
    shorter distances between them is taken, and places show the last frame before them.
    """
    shown = np.unique(np.asarray(times, dtype=np.int64))
    likely = [rate for rate in stated if 0 < rate <= MAX_RATE]
    start_s = Fraction(int(shown[0])) * time_base
    if len(shown) == 1:
        return Clock(likely[0] if likely else Fraction(1), start_s, 1, even=True)
    seconds = (shown - shown[0]) * float(time_base)
    mean = Fraction(len(shown) - 1) / (Fraction(int(shown[-1] - shown[0])) * time_base)
    rate = _even_rate(seconds, mean, float(time_base), likely)
    if rate is not None:
        return Clock(rate, start_s, len(shown), even=True)
    shorter_s = float(np.percentile(np.diff(seconds), 25, method="lower"))
    rate = _usual(Fraction(1 / shorter_s), likely)
    last_s = float(seconds[-1]) + max(float(last_duration * time_base), 1 / float(rate))
    return Clock(rate, start_s, max(1, round(last_s * float(rate))), even=False)


def _even_rate(seconds: np.ndarray, mean: Fraction, tick_s: float, stated: Sequence[Fraction]) -> Fraction | None:
    """The rate that all times keep to, if there is one: to the file's rounding, or else within half a frame."""
    if mean > MAX_RATE:
        return None
    near = [rate for rate in (*stated, *USUAL_RATES) if abs(rate / mean - 1) < _LIKE]
    rounded = mean.limit_denominator(1001) if mean > 1 else mean
    off = {rate: _furthest_off(seconds, rate) for rate in (*near, rounded)}
    for rate in stated:
        if off.get(rate, 1.0) <= min(_TICKS * tick_s, _HALF / rate):
            return rate
    best = min(off, key=lambda rate: (rate not in near, off[rate]))
    return best if off[best] * best < _HALF else None


def _furthest_off(seconds: np.ndarray, rate: Fraction) -> float:
    return float(np.abs(seconds - np.arange(len(seconds)) / float(rate)).max())


def _usual(rate: Fraction, stated: Sequence[Fraction]) -> Fraction:
    """A stated or usual rate near this one; at most what screens show where there is none."""
    rates = (*stated, *USUAL_RATES)
    nearest = min(rates, key=lambda known: abs(known - rate))
    if abs(nearest / rate - 1) < 5 * _LIKE:
        return nearest
    return min(rate, _SCREENS).limit_denominator(1001) if rate > 1 else rate


def exact_rate(fps: float | Fraction) -> Fraction:
    """The rate that is meant by a rounded number: 23.976 is 24000/1001, 29.97 is 30000/1001."""
    rate = Fraction(fps).limit_denominator(1_000_000)
    for usual in USUAL_RATES:
        if usual.denominator == 1001 and abs(usual - rate) < Fraction(1, 200):
            return usual
    return rate.limit_denominator(1001) if abs(rate.limit_denominator(1001) - rate) < Fraction(1, 10**6) else rate
