"""Media files as people have them, and what each of them is: the rows of ``benchmarks.media``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.media_films import BLUE, GREEN, GREY, RED, X265, Film, numbered, patches, tone
from benchmarks.media_heic import heic

UPRIGHT = (RED, GREEN, BLUE, GREY)
TAGS_709 = {"colorspace": 1, "color_primaries": 1, "color_trc": 1}
_ONE = 65536


@dataclass(frozen=True)
class Row:
    """``expected``: any of size, corners, frames, length_s, onset_s, sound_s, channels; ``make`` writes the file."""

    name: str
    file: str
    make: Callable[[Path], object]
    expected: Mapping[str, Any]
    tolerances: Mapping[str, float] = field(default_factory=dict)


def rows() -> list[Row]:
    """All of them."""
    return [*_turns(), *_sounds(), *_times(), *_colours(), *_pictures()]


def _film(name: str, file: str, expected: Mapping[str, Any], film: Film, **tolerances: float) -> Row:
    return Row(name, file, film.write, expected, tolerances)


def _turns() -> list[Row]:
    matrices = {
        "turned by 90": ((0, -_ONE, _ONE, 0), (96, 128), (GREEN, GREY, RED, BLUE)),
        "turned by 180": ((-_ONE, 0, 0, -_ONE), (128, 96), (GREY, BLUE, GREEN, RED)),
        "turned by 270": ((0, _ONE, -_ONE, 0), (96, 128), (BLUE, RED, GREY, GREEN)),
        "mirrored": ((-_ONE, 0, 0, _ONE), (128, 96), (GREEN, RED, GREY, BLUE)),
    }
    made = []
    for name, ((a, b, c, d), size, corners) in matrices.items():
        matrix = (a, b, 0, c, d, 0, 0, 0, 1 << 30)
        film = Film(frames=5, prepare=lambda stream, m=matrix: stream.set_display_matrix(m))  # type: ignore[misc]
        made.append(_film(name, f"{name}.mp4", {"size": size, "corners": corners}, film))

    def wide(stream: Any) -> None:
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)

    made.append(_film("pixels of 4:3", "sar.mp4", {"size": (170, 96)}, Film(frames=3, prepare=wide)))
    return made


def _sounds() -> list[Row]:
    plain = {"frames": 25, "onset_s": 0.5, "sound_s": 1.0}
    opus: dict[str, Any] = {"codec": "libvpx-vp9", "sound_codec": "libopus"}
    return [
        _film("sound beside its pictures", "plain.mp4", plain, Film(sound=tone())),
        _film("sound 0.52 s before the picture", "early.mp4", {"sound_s": 1.0}, Film(shift_s=0.52, sound=tone())),
        _film("the same, Matroska", "early.mkv", {"sound_s": 1.0}, Film(shift_s=0.52, sound=tone())),
        _film("sound 0.478 s late", "late.mp4", {"onset_s": 0.978}, Film(sound=tone(), sound_shift_s=0.478)),
        _film("the same, Matroska", "late.mkv", {"onset_s": 0.978}, Film(sound=tone(), sound_shift_s=0.478)),
        _film("WEBM, sound late", "late.webm", {"onset_s": 0.978}, Film(sound=tone(), sound_shift_s=0.478, **opus)),
        _film("transport stream", "plain.ts", {"onset_s": 0.5, "frames": 25}, Film(sound=tone(), options={"bf": "2"})),
        _film("sound of 4 channels", "four.mkv", {"channels": 4}, Film(sound=tone(channels=4), sound_codec="flac")),
        _film("no sound", "silent.mp4", {"sound_s": 0.0, "frames": 25}, Film()),
    ]


def _times() -> list[Row]:
    uneven = [0, 1, 2, 3, 7, 8, 9, 14, 15, 16, 17, 20, 21, 22, 24]
    jitter = [0, 7, -9, 12, 3, -4, 15, -11, 0, 8]
    recorded = [max(0.0, place / 25 + jitter[place % 10] / 1000) for place in range(25)]
    webm = Film(times=recorded, rate=Fraction(1000), codec="libvpx-vp9", pixels=numbered)
    return [
        _film(
            "23.976 a second", "film.mp4", {"length_s": 30 * 1001 / 24000}, Film(frames=30, rate=Fraction(24000, 1001))
        ),
        _film("uneven times", "uneven.mkv", {"length_s": 1.0}, Film(times=[at / 25 for at in uneven], pixels=numbered)),
        _film("a recorder's times", "recorder.webm", {"length_s": 1.0, "frames": 25}, webm),
    ]


def _colours() -> list[Row]:
    seen = {"corners": UPRIGHT}
    hd: dict[str, Any] = {"matrix": "bt709", "size": (1280, 720), "options": {"preset": "ultrafast"}, "frames": 1}
    x265: dict[str, Any] = {"codec": "libx265", "pixel_format": "yuv420p10le", "frames": 1}
    x265["options"] = {"crf": "4", "x265-params": X265}
    prores: dict[str, Any] = {"codec": "prores_ks", "pixel_format": "yuv422p10le", "matrix": "bt709", "frames": 1}
    return [
        _film("untagged, small", "sd.mp4", seen, Film(frames=1)),
        _film("untagged, HD", "hd.mp4", seen, Film(**hd)),
        _film("tagged BT.709", "tagged.mp4", seen, Film(frames=1, matrix="bt709", tags=TAGS_709)),
        _film("full range", "full.mp4", seen, Film(frames=1, full=True, tags={"colorspace": 5, "color_range": 2})),
        _film("HEVC of 10 bits", "deep.mp4", seen, Film(matrix="bt709", tags=TAGS_709, **x265), corners=3),
        _film("ProRes without tags", "prores.mov", seen, Film(**prores), corners=3),
        *(
            _film(
                f"{name} of a phone",
                f"{name}.mov",
                seen,
                Film(
                    matrix="bt2020",
                    tags={"colorspace": 9, "color_primaries": 9, "color_trc": trc},
                    pixels=lambda _, name=name: hdr_patches(name),  # type: ignore[misc]
                    pixel_input="rgb48le",
                    **x265,
                ),
                corners=5,
            )
            for name, trc in (("HLG", 18), ("PQ", 16))
        ),
    ]


def _pictures() -> list[Row]:
    seen = {"corners": UPRIGHT}
    avif = Film(frames=1, codec="libsvtav1", container="avif", matrix="bt709", options={"crf": "5"})
    avif.tags = {**TAGS_709, "color_range": 1}
    return [
        Row("HEIC", "photo.heic", lambda path: path.write_bytes(heic(patches())), seen),
        Row("HEIC in tiles", "tiles.heic", lambda path: path.write_bytes(heic(patches(256, 128), 64)), seen),
        _film("AVIF", "photo.avif", seen, avif),
    ]


def hdr_patches(transfer: str) -> np.ndarray:
    """uint16: the patches in BT.2020 and HLG (white at 75 %) or PQ (white at 203 cd/m2), by the standards' formulas."""
    from benchmarks.media_films import WHITE_16

    signal = patches() / 255
    light = np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)
    to_2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
    light = light @ to_2020.T
    if transfer.lower() == "hlg":
        scene = light * 0.26496
        high = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
        levels = np.where(scene <= 1 / 12, np.sqrt(3 * scene), high)
    else:
        power = (light * 203 / 10000) ** 0.1593017578125
        levels = ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375
    made: np.ndarray = np.round(levels * WHITE_16).astype(np.uint16)
    return made
