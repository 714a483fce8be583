"""Parts of a VIDEO: of its file, which is read when frames are needed, or of its pictures and sound."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction

from engine.errors import InputInvalid
from engine.types import Audio, Video
from nodes.media import film, images
from nodes.media.telling import NOBODY, NodeContext

_MICROSECOND = Fraction(1, 10**6)  # of times that come as floats


@dataclass(frozen=True, slots=True)
class TimeRange:
    """``start_s``: from the end where negative; ``duration_s``: None for all that follows.

    ``strict``: less than that is refused.
    """

    start_s: Fraction
    duration_s: Fraction | None
    strict: bool = False


def part_of(video: Video, wanted: TimeRange, run: NodeContext = NOBODY) -> Video:
    """That part; a file is not copied for it. Raises ``InputInvalid`` where nothing is left, or less than is wanted."""
    length_s = length_of(video, run)
    start_s = max(Fraction(0), length_s + wanted.start_s) if wanted.start_s < 0 else wanted.start_s
    start_s, length_s = _rounded(start_s), _rounded(length_s)
    if start_s >= length_s:
        raise InputInvalid(
            f"nothing is left of the film, which lasts {float(length_s):.2f} s",
            input="start_time",
            remedy="choose an earlier start",
        )
    left_s = length_s - start_s
    duration_s = left_s if wanted.duration_s is None else min(left_s, _rounded(wanted.duration_s))
    if wanted.strict and wanted.duration_s is not None and left_s + _MICROSECOND < wanted.duration_s:
        raise InputInvalid(
            f"from {float(start_s):.3f} s on it lasts {float(left_s):.3f} s, not {float(wanted.duration_s):.3f} s",
            input="duration",
            remedy="choose a shorter duration or an earlier start, or switch strict_duration off",
        )
    if video.file is not None:
        whole = wanted.duration_s is None and video.duration_s is None
        return replace(video, start_s=video.start_s + start_s, duration_s=None if whole else duration_s)
    return _of_pictures(video, start_s, duration_s)


def length_of(video: Video, run: NodeContext = NOBODY) -> Fraction:
    """In seconds."""
    if video.frames is None:
        found = film.of_video(video, run)
        return found.count / found.clock.rate
    assert video.frame_rate is not None
    return images.count_of(video.frames) / video.frame_rate


def _of_pictures(video: Video, start_s: Fraction, duration_s: Fraction) -> Video:
    assert video.frames is not None and video.frame_rate is not None
    rate = video.frame_rate
    first = min(math.ceil(start_s * rate), images.count_of(video.frames) - 1)
    end = max(first + 1, math.ceil((start_s + duration_s) * rate))
    frames = images.some_of(video.frames, first, end)
    if video.audio is None:
        return replace(video, frames=frames)
    hz = video.audio.sample_rate_hz
    waveform = video.audio.waveform[..., round(first * hz / rate) : round(end * hz / rate)]
    return replace(video, frames=frames, audio=Audio(waveform.clone(), hz))


def _rounded(seconds: Fraction) -> Fraction:
    return round(seconds / _MICROSECOND) * _MICROSECOND
