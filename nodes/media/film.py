"""A film's file: what one look at it tells, its pictures in their places, and its sound beside them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

from engine.errors import InputInvalid
from engine.limits import Limits
from engine.types import Audio
from nodes.media import opening, orientation, sound
from nodes.media.clock import MAX_FRAMES, Clock, read_times
from nodes.media.colour import Meaning, Picture, ToRgb, meaning_of
from nodes.media.frames import Damage, decoded, of_size
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
        """Each picture in its place, ``clock.rate`` a second, upright and in square pixels. Raises ``InputInvalid``."""
        shown, made = None, None
        for frame, to_rgb in self.frames(run):
            if frame is not shown:
                shown = frame
                made = to_rgb.picture(frame, self.orientation.size(*self.size)).turned(self.orientation)
            assert made is not None
            yield made

    def frames(self, run: Run = NOBODY) -> Iterator[tuple[Any, ToRgb]]:
        """Each frame in its place, as decoded, and what makes RGB of it. Raises ``InputInvalid``.

        A place without a frame of its own shows the one before it, the same object; but in a silent film that keeps
        its rate, frames that cannot be decoded are left out.
        """
        any_found = False
        with opening.opened(self.path) as container:
            track = opening.picture_track(container, self.path)
            to_rgb = ToRgb(track.codec.canonical_name)
            for frame in self._placed(container, track, Damage(self.path, run)):
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
            for _ in range(min(following, self.count) - place):
                yield shown
            place, shown = following, frame
        for _ in range(self.count - place if shown is not None else 0):
            yield shown

    def _place(self, frame: Any, number: int, track: Any) -> int:
        return self.held + (number if frame.pts is None else self.clock.place(frame.pts * track.time_base))

    def audio(self, run: Run = NOBODY) -> Audio | None:
        """The sound, beginning with the first picture: float32[1, channels, samples]; ``None`` for a silent film."""
        if self.sound_start_s is None:
            return None
        with opening.opened(self.path) as container:
            track = opening.sound_track(container)
            if track is None:
                return None
            return sound.decode(container, track, self.sound_start_s, self.path, run)


def look(path: Path, run: Run = NOBODY) -> FilmFile:
    """Read the packets' times and the first frame. Raises ``InputInvalid`` where the file is no film."""
    with opening.opened(path) as container:
        track = opening.picture_track(container, path)
        first = next(decoded(container, track, Damage(path, NOBODY)), None)
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
            f"'{path.name}' has more than {MAX_FRAMES:,} frames",
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
        for packet in islice(_packets(container, track), MAX_FRAMES + 1):
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
