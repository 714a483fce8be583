"""A film's file: what one look at it tells, its pictures in their places, and its sound beside them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av

from engine.errors import InputInvalid
from engine.limits import Limits
from engine.types import Audio, Video
from nodes.media import opening, orientation, sound
from nodes.media.clock import MAX_FRAMES, Clock, read_times
from nodes.media.colour import DecodedPicture, Meaning, ToRgb, meaning_of
from nodes.media.frames import Damage, decoded, decoder_of, of_size
from nodes.media.orientation import Orientation
from nodes.media.telling import NOBODY, NodeContext

# Sound that begins so little before the first picture is a codec's delay, and is cut; else the picture is held.
_DELAY_S, _DELAY_FRAMES = 0.1, 2


@dataclass(frozen=True, slots=True)
class FilmFile:
    """A film that can be read again and again; nothing of it is kept in memory.

    ``size``: (width, height) as shown, in square pixels. ``coded``: as stored. ``held``: how many more times the first
    picture is shown, for sound that begins before it. ``sound_start_s``: where in the file's time the sound begins to
    count; ``None`` for a silent film. ``limits``: how much of it may be in memory at once. ``skipped`` and ``kept``:
    how many places come before those of this part of the film, and how many it has.
    """

    path: Path
    clock: Clock
    coded: tuple[int, int]
    size: tuple[int, int]
    orientation: Orientation
    meaning: Meaning
    held: int
    sound_start_s: Fraction | None
    limits: Limits = field(default_factory=Limits)
    skipped: int = 0
    kept: int | None = None

    @property
    def count(self) -> int:
        """How many pictures there are where all can be decoded."""
        return self._places - self.skipped if self.kept is None else self.kept

    @property
    def whole(self) -> bool:
        """Whether it is all of the file."""
        return self.skipped == 0 and self.kept is None

    @property
    def _places(self) -> int:
        return self.clock.count + self.held

    def part(self, start_s: Fraction, duration_s: Fraction | None) -> FilmFile:
        """The pictures that begin within this time, one at least. Raises ``InputInvalid`` where none is left."""
        rate, there = self.clock.rate, self.count
        first = math.ceil(start_s * rate)
        if first >= there:
            raise InputInvalid(
                f"nothing is left of the film, which lasts {float(there / rate):.2f} s",
                input="start_time",
                remedy="choose an earlier start",
            )
        end = there if duration_s is None else min(there, math.ceil((start_s + duration_s) * rate))
        if first == 0 and end == there:
            return self
        return replace(self, skipped=self.skipped + first, kept=max(1, end - first))

    @property
    def channels(self) -> int:
        """4 with alpha, else 3."""
        return 4 if self.meaning.alpha else 3

    def pictures(self, run: NodeContext = NOBODY) -> Iterator[DecodedPicture]:
        """Each picture in its place, ``clock.rate`` a second, upright and in square pixels. Raises ``InputInvalid``."""
        shown, made = None, None
        for frame, to_rgb in self.frames(run):
            if frame is not shown:
                shown = frame
                made = to_rgb.picture(frame, self.orientation.size(*self.size)).turned(self.orientation)
            assert made is not None
            yield made

    def frames(self, run: NodeContext = NOBODY) -> Iterator[tuple[Any, ToRgb]]:
        """Each frame in its place, as decoded, and what makes RGB of it. Raises ``InputInvalid``.

        A place without a frame of its own shows the one before it, the same object; but in a silent film that keeps
        its rate, frames that cannot be decoded are left out.
        """
        any_found = False
        with opening.opened(self.path) as container:
            track = opening.picture_track(container, self.path)
            to_rgb = ToRgb(track.codec.canonical_name)
            placed = self._placed(container, track, Damage(self.path, run))
            end = None if self.kept is None else self.skipped + self.kept
            for frame in placed if self.whole else islice(placed, self.skipped, end):
                any_found = True
                run.check_cancelled()
                yield frame, to_rgb
        if not any_found:
            raise InputInvalid(
                f"'{self.path.name}' holds no frames that can be decoded", input="video", remedy=opening.FILM
            )

    def _placed(self, container: Any, track: Any, damage: Damage) -> Iterator[Any]:
        fitting = of_size(decoded(container, track, damage), self.coded, damage)
        if self.clock.even and self.sound_start_s is None:
            yield from fitting
            return
        shown, place = None, 0
        for number, frame in enumerate(fitting):
            following = 0 if shown is None else max(place, self._place(frame, number, track))
            for _ in range(min(following, self._places) - place):
                yield shown
            place, shown = following, frame
        for _ in range(self._places - place if shown is not None else 0):
            yield shown

    def _place(self, frame: Any, number: int, track: Any) -> int:
        return self.held + (number if frame.pts is None else self.clock.place(frame.pts * track.time_base))

    def audio(self, run: NodeContext = NOBODY) -> Audio | None:
        """The sound, beginning with the first picture: float32[1, channels, samples]; ``None`` for a silent film."""
        if self.sound_start_s is None:
            return None
        with opening.opened(self.path) as container:
            track = opening.sound_track(container)
            if track is None:
                return None
            audio = sound.decode(container, track, self.sound_start_s, self.path, run)
        return audio if audio is None or self.whole else self._beside(audio)

    def _beside(self, audio: Audio) -> Audio:
        """The sound of this part's time."""
        start, end = (
            round(place * audio.sample_rate_hz / self.clock.rate) for place in (self.skipped, self.skipped + self.count)
        )
        return Audio(audio.waveform[..., start:end].clone(), audio.sample_rate_hz)


def of_video(video: Video, run: NodeContext = NOBODY) -> FilmFile:
    """The part of a file that a VIDEO is. Raises ``InputInvalid``."""
    assert video.file is not None
    found = look(video.file, run)
    return found if not video.start_s and video.duration_s is None else found.part(video.start_s, video.duration_s)


def look(path: Path, run: NodeContext = NOBODY) -> FilmFile:
    """Read the packets' times and the first frame. Raises ``InputInvalid`` where the file is no film."""
    with opening.opened(path) as container:
        track = opening.picture_track(container, path)
        if opening.undecodable_tracks(container):
            run.note(f"'{path.name}': a sound track of an unknown kind is left out")
        seen = _Look(track, opening.sound_track(container))
        seen.read(container)
        first = seen.first
        if first is None:
            raise InputInvalid(f"'{path.name}' holds no frames", input="video", remedy=opening.FILM)
        codec, aspect, clock = track.codec.canonical_name, track.sample_aspect_ratio, seen.clock()
    coded = (first.width, first.height)
    run.limits.check_pixels(f"'{path.name}'", *coded, input="video")
    if clock.count > MAX_FRAMES:
        raise InputInvalid(
            f"'{path.name}' has more than {MAX_FRAMES:,} frames",
            input="video",
            remedy="cut it into shorter films",
        )
    turn = orientation.of_frame(first)
    shown = turn.size(*orientation.square_size(*coded, aspect))
    held, start_s = _beginning(clock, seen.sound_start_s)
    return FilmFile(path, clock, coded, shown, turn, meaning_of(first, codec), held, start_s, run.limits)


def _beginning(clock: Clock, sound_s: Fraction | None) -> tuple[int, Fraction | None]:
    """How often the first picture is shown again, and where the sound begins to count."""
    if sound_s is None:
        return 0, None
    lead_s = clock.start_s - sound_s
    if lead_s > max(Fraction(_DELAY_S), _DELAY_FRAMES / clock.rate) and lead_s * clock.rate < MAX_FRAMES:
        return round(lead_s * clock.rate), sound_s
    return 0, clock.start_s


class _Look:
    """One pass over a film's packets: all pictures' times, the first picture and when the sound begins.

    Used while the container is open: its tracks go with it.
    """

    def __init__(self, track: Any, sound_track: Any | None) -> None:
        self.first: Any = None
        self.sound_start_s: Fraction | None = None
        self._track, self._sound_track = track, sound_track
        self._decoder = decoder_of(track)
        self._times: list[int] = []
        self._last: int | None = None
        self._last_duration = self._count = 0

    def read(self, container: Any) -> None:
        """Look at the packets, as far as the file goes or frames may be."""
        tracks = [self._track] if self._sound_track is None else [self._track, self._sound_track]
        try:
            for packet in container.demux(tracks):
                if packet.stream is self._track:
                    self._picture(packet)
                elif self.sound_start_s is None:
                    self._sound(packet)
                if self._count > MAX_FRAMES:
                    return
        except av.FFmpegError:
            return

    def clock(self) -> Clock:
        """What the times make, and what the file states of rates."""
        track = self._track
        stated = [rate for rate in (track.average_rate, track.guessed_rate, track.base_rate) if rate]
        if not self._times:
            return Clock(stated[0] if stated else Fraction(1), Fraction(0), max(1, self._count), even=True)
        return read_times(self._times, self._last_duration, track.time_base, stated)

    def _picture(self, packet: Any) -> None:
        if self.first is None:
            with suppress(av.FFmpegError):
                self.first = next(iter(self._decoder.decode(packet if packet.size else None)), None)
        if not packet.size or packet.is_discard:
            return
        self._count += 1
        if packet.pts is not None:
            self._times.append(packet.pts)
            if self._last is None or packet.pts > self._last:
                self._last, self._last_duration = packet.pts, packet.duration or 0

    def _sound(self, packet: Any) -> None:
        with suppress(av.FFmpegError):
            for frame in packet.decode():
                self.sound_start_s = Fraction(0) if frame.pts is None else frame.pts * frame.time_base
                return
