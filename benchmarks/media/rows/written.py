"""Rows for what the nodes here write: read by others, it is what it was."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch

from benchmarks.media.films import RATE_HZ, Film, numbered, patches, tone
from benchmarks.media.row import UPRIGHT, Row
from engine.types import Audio, Image, Video

Make = Callable[[Path], object]
_BT709 = (1, 1, 1)


def written_rows() -> list[Row]:
    """All of them."""
    return [*_films(), *_copies(), *_sounds()]


def _row(name: str, file: str, make: Make, **expected: Any) -> Row:
    return Row(name, file, make, expected, kind="written")


def _films() -> list[Row]:
    sounding = {"onset_s": 0.5, "sound_s": 1.0, "frames": 25}
    tagged = {"tags": _BT709, "corners": UPRIGHT}
    return [
        _row("H.264 of HD", "made_hd.mp4", _video(3, size=(1280, 720)), **tagged),
        _row("H.264 with sound", "sound.mp4", _video(25, audio=tone(channels=2)), **tagged, **sounding),
        _row("10 bits", "made_deep.mp4", _video(3, bit_depth=10), **tagged),
        _row("AV1 in WEBM", "av1.webm", _video(25, audio=tone()), **tagged, **sounding),
        _row("Matroska", "a.mkv", _video(25, audio=tone()), **tagged, **sounding),
        _row("VP9 by SaveWEBM", "made_vp9.webm", _webm("vp9"), **tagged),
        _row("23.976 a second", "made_film.mp4", _video(12, fps=23.976), rate=24000 / 1001, length_s=12 * 1001 / 24000),
        _row("29.97 a second", "tv.mp4", _video(12, fps=29.97), rate=30000 / 1001),
        _row("sound of 4 channels", "quad.mp4", _video(25, audio=tone(channels=4)), channels=4),
    ]


def _copies() -> list[Row]:
    prores: dict[str, Any] = {"codec": "prores_ks", "pixel_format": "yuv422p10le", "matrix": "bt709"}
    turn = (0, -65536, 0, 65536, 0, 0, 0, 0, 1 << 30)
    turned = Film(5, prepare=lambda stream: stream.set_display_matrix(turn), **prores)
    gif = Film(5, codec="gif", pixel_format="bgr8", pixels=numbered)
    return [
        _row("ProRes, saved", "prores.mp4", _saved(Film(5, **prores), "mov", codec="h264"), corners=UPRIGHT, frames=5),
        _row("ProRes, turned, saved", "turned.mp4", _saved(turned, "mov", codec="h264"), size=(96, 128), frames=5),
        _row("GIF, saved", "gif.mp4", _saved(gif, "gif"), frames=5),
        _row("a copy", "copy.mp4", _saved(Film(25, sound=tone()), "mp4"), onset_s=0.5, sound_s=1.0, frames=25),
    ]


def _sounds() -> list[Row]:
    return [
        _row(f"{channels} channels in {kind}", f"{channels}.{kind}", _sound(kind, channels), channels=kept, sound_s=1.0)
        for kind, channels, kept in (("flac", 6, 6), ("mp3", 6, 2), ("opus", 6, 6), ("flac", 4, 4))
    ] + [
        _row("MP3 of 96 kHz", "fine.mp3", _sound("mp3", 2, 96000), sound_s=1.0, onset_s=0.5),
        _row("FLAC of floats", "floats.flac", _sound("flac", 2), sound_s=1.0, onset_s=0.5, bits=24),
    ]


def _video(
    count: int, size: tuple[int, int] = (128, 96), audio: Any = None, fps: float = 25, bit_depth: int = 8
) -> Make:
    def make(path: Path) -> None:
        from nodes.media import saving

        frames = Image(torch.from_numpy(patches(*size)).div(255).expand(count, -1, -1, -1))
        sound = None if audio is None else Audio(torch.from_numpy(audio)[None], RATE_HZ)
        video = Video(frames=frames, frame_rate=Fraction(fps), audio=sound, bit_depth=bit_depth)
        saving.save(path, video, saving.WantedFile(path.suffix[1:], crf=10), {})

    return make


def _webm(codec: str) -> Make:
    def make(path: Path) -> None:
        from nodes.media import images, writing

        frames = Image(torch.from_numpy(patches()).div(255).expand(3, -1, -1, -1))
        images.write(path, "webm", frames, 25, writing.Encoding(codec, crf=10))

    return make


def _saved(film: Film, suffix: str, codec: str = "auto") -> Make:
    """LoadVideo > SaveVideo."""

    def make(path: Path) -> None:
        from nodes.media import saving

        source = film.write(path.with_name(f"source_of_{path.stem}.{suffix}"))
        saving.save(path, Video(file=source), saving.WantedFile(codec=codec), {})

    return make


def _sound(kind: str, channels: int, rate_hz: int = RATE_HZ) -> Make:
    def make(path: Path) -> None:
        from nodes.media import sound_files

        waveform = torch.from_numpy(tone(channels=max(channels, 1), rate_hz=rate_hz))
        sound_files.write(path, waveform, rate_hz, kind, "" if kind == "flac" else "128k", {})

    return make
