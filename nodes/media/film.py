"""A film's file: what one look at it tells, its pictures in their places, and its sound beside them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from engine.errors import InputInvalid
from engine.limits import Limits
from engine.types import Audio
from nodes.media import frames, opening, orientation, sound
from nodes.media.clock import MAX_FRAMES, Clock, read_times
from nodes.media.colour import Meaning, Picture, ToRgb, meaning_of
from nodes.media.orientation import Orientation
from nodes.media.telling import NOBODY, Run

# Sound that begins so little before the first picture is a codec's delay, and is cut; else the picture is held.
_DELAY_S, _DELAY_FRAMES = 0.1, 2


@dataclass(frozen=True, slots=True)
class FilmFile:
    """A film that can be read again and again; nothing of it is kept in memory.

    ``size``: (width, height) as shown, in square pixels. ``coded``: as stored. ``held``: how many more times the first
    picture is shown, for sound that begins before it. ``sound_start_s``: where in the file's time the sound begins to
    count; ``None`` for a silent film. ``limits``: how much of it may be in memory at once.
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

    @property
    def count(self) -> int:
        """How many pictures there are where all can be decoded."""
        return self.clock.count + self.held

    @property
    def channels(self) -> int:
        """4 with alpha, else 3."""
        return 4 if self.meaning.alpha else 3

    def pictures(self, run: Run = NOBODY) -> Iterator[Picture]:
        """Each picture in its place, ``clock.rate`` a second. Raises ``InputInvalid``.

        A place without a frame of its own shows the one before it; but in a silent film that keeps its rate, frames
        that cannot be decoded are left out.
        """
        with opening.opened(self.path) as container:
            track = opening.picture_track(container, self.path)
            found = _Pictures(self, track, run)
            any_found = False
            for picture in found.placed(container):
                any_found = True
                run.check_cancelled()
                yield picture
        if not any_found:
            raise InputInvalid(
                f"'{self.path.name}' holds no frames that can be decoded", input="video", remedy=opening.FILM
            )

    def audio(self, run: Run = NOBODY) -> Audio | None:
        """The sound, beginning with the first picture: float32[1, channels, samples]; ``None`` for a silent film."""
        if self.sound_start_s is None:
            return None
        with opening.opened(self.path) as container:
            track = opening.sound_track(container)
            if track is None:
                return None
            return sound.decode(container, track, self.sound_start_s, self.path, run)


class _Pictures:
    """One reading of a film's pictures."""

    def __init__(self, film: FilmFile, track: Any, run: Run) -> None:
        self._film = film
        self._track = track
        self._run = run
        self._to_rgb = ToRgb(track.codec.canonical_name)
        self._told: set[str] = set()
        self._number = 0

    def placed(self, container: Any) -> Iterator[Picture]:
        film = self._film
        decoded = frames.decoded(container, self._track, self._damage)
        if film.clock.even and film.sound_start_s is None:
            for frame in decoded:
                yield self._picture(frame)
            return
        shown: Picture | None = None
        place = 0
        for frame in decoded:
            following = 0 if shown is None else max(place, self._place(frame))
            for _ in range(min(following, film.count) - place):
                assert shown is not None
                yield shown
            place, shown = following, self._picture(frame)
        for _ in range(film.count - place if shown is not None else 0):
            assert shown is not None
            yield shown

    def _place(self, frame: Any) -> int:
        self._number += 1
        held = self._film.held
        if frame.pts is None:
            return held + self._number
        return held + self._film.clock.place(frame.pts * self._track.time_base)

    def _picture(self, frame: Any) -> Picture:
        film = self._film
        frames.fitting_size(frame, film.coded, film.path, self._damage)
        picture = self._to_rgb.picture(frame, film.orientation.size(*film.size))
        upright = film.orientation.applied(picture.levels)
        return Picture(upright, picture.white, picture.alpha_white, picture.meaning)

    def _damage(self, what: str) -> None:
        if what not in self._told:
            self._told.add(what)
            self._run.note(f"'{self._film.path.name}': {what}")


def look(path: Path, run: Run = NOBODY) -> FilmFile:
    """Read the packets' times and the first frame. Raises ``InputInvalid`` where the file is no film."""
    with opening.opened(path) as container:
        track = opening.picture_track(container, path)
        first = next(frames.decoded(container, track, lambda _: None), None)
        if first is None:
            raise InputInvalid(f"'{path.name}' holds no frames", input="video", remedy=opening.FILM)
        turn = orientation.of_frame(first)
        coded = (first.width, first.height)
        run.limits.check_pixels(f"'{path.name}'", *coded, input="video")
        square = orientation.square_size(*coded, track.sample_aspect_ratio)
        meaning = meaning_of(first, track.codec.canonical_name)
        if opening.undecodable_tracks(container):
            run.note(f"'{path.name}': a sound track of an unknown kind is left out")
    clock = _clock(path)
    if clock.count > MAX_FRAMES:
        raise InputInvalid(
            f"'{path.name}' has {clock.count:,} frames; at most {MAX_FRAMES:,} are taken",
            input="video",
            remedy="cut it into shorter films",
        )
    start_s = _sound_start(path)
    held = 0
    sound_start_s: Fraction | None = clock.start_s
    if start_s is not None:
        lead_s = clock.start_s - start_s
        if lead_s > max(Fraction(_DELAY_S), _DELAY_FRAMES / clock.rate) and lead_s * clock.rate < MAX_FRAMES:
            held, sound_start_s = round(lead_s * clock.rate), start_s
    shown = turn.size(*square)
    sound_start_s = None if start_s is None else sound_start_s
    return FilmFile(path, clock, coded, shown, turn, meaning, held, sound_start_s, run.limits)


def _clock(path: Path) -> Clock:
    times: list[int] = []
    last, last_duration, count = None, 0, 0
    with opening.opened(path) as container:
        track = opening.picture_track(container, path)
        base = track.time_base
        for packet in _packets(container, track):
            count += 1
            if packet.pts is not None:
                times.append(packet.pts)
                if last is None or packet.pts > last:
                    last, last_duration = packet.pts, packet.duration or 0
        stated = [rate for rate in (track.average_rate, track.guessed_rate, track.base_rate) if rate]
    if not times:
        return Clock(stated[0] if stated else Fraction(1), Fraction(0), max(1, count), even=True)
    return read_times(times, last_duration, base, stated)


def _packets(container: Any, track: Any) -> Iterator[Any]:
    """The track's packets as far as the file goes."""
    import av

    try:
        for packet in container.demux(track):
            if packet.size and not packet.is_discard:
                yield packet
    except av.FFmpegError:
        return


def _sound_start(path: Path) -> Fraction | None:
    with opening.opened(path) as container:
        track = opening.sound_track(container)
        return None if track is None else sound.start_of(container, track)
