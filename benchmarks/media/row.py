"""One row of ``benchmarks.media``: how a file is made, and what is right about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from benchmarks.media.films import BLUE, GREEN, GREY, RED, Film
from benchmarks.media.sounds import Sound

Kind = Literal["film", "picture", "sound", "written"]
UPRIGHT = (RED, GREEN, BLUE, GREY)
# By EXIF's number: what stands in the corners once the picture is upright.
TURNED = {
    1: (RED, GREEN, BLUE, GREY),
    2: (GREEN, RED, GREY, BLUE),
    3: (GREY, BLUE, GREEN, RED),
    4: (BLUE, GREY, RED, GREEN),
    5: (RED, BLUE, GREEN, GREY),
    6: (BLUE, RED, GREY, GREEN),
    7: (GREY, GREEN, BLUE, RED),
    8: (GREEN, GREY, RED, BLUE),
}
TAGS_709 = {"colorspace": 1, "color_primaries": 1, "color_trc": 1}


@dataclass(frozen=True)
class Row:
    """``expected``: any of size, corners, frames, rate, length_s, numbers, alpha, onset_s, sound_s, channels, tags.

    ``refused``: what the error says where the file must be refused. ``make`` writes the file; one that is ``written``
    is written by the nodes here, which is what the row is about.
    """

    name: str
    file: str
    make: Callable[[Path], object]
    expected: Mapping[str, Any]
    tolerances: Mapping[str, float] = field(default_factory=dict)
    kind: Kind = "film"
    refused: str | None = None


def film(name: str, file: str, expected: Mapping[str, Any], film: Film, **tolerances: float) -> Row:
    """A row for a film that PyAV writes."""
    return Row(name, file, film.write, expected, tolerances)


def sound(name: str, file: str, sound: Sound, **expected: Any) -> Row:
    """A row for a sound file: a second, with its tone from half a second on."""
    wanted = {"sound_s": 1.0, "onset_s": 0.5, "channels": sound.channels, **expected}
    return Row(name, file, sound.write, wanted, kind="sound")


def picture(name: str, file: str, make: Callable[[Path], object], corners_within: float = 3.0, **expected: Any) -> Row:
    """A row for a still, with the patches as they are where nothing else is expected."""
    wanted = {key: value for key, value in {"corners": UPRIGHT, **expected}.items() if value is not None}
    return Row(name, file, make, wanted, {"corners": corners_within}, kind="picture")


def refused(name: str, file: str, make: Callable[[Path], object], kind: Kind, says: str) -> Row:
    """A row for a file that must be refused."""
    return Row(name, file, make, {}, kind=kind, refused=says)
