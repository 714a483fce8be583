"""Parts of films: the pictures and the sound of their time, from files and from pictures."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
import torch

from benchmarks.media.films import Film, frame_number, numbered, onset_s, tone
from engine.context import Context
from engine.errors import InputInvalid
from engine.types import Audio, Image, Video
from nodes import video as nodes
from nodes.media import film, images, parts, saving
from nodes.media.saving import WantedFile


@pytest.fixture(params=["file", "silent file", "pictures", "uneven file", "early sound"])
def whole(request: pytest.FixtureRequest, tmp_path: Path) -> Video:
    """A second of 25 numbered pictures, with a tone from its half on where there is sound."""
    sound = None if request.param == "silent file" else tone()
    made = Film(pixels=numbered, sound=sound, options={"bf": "2"})
    if request.param == "pictures":
        pixels = torch.stack([torch.from_numpy(numbered(number)) for number in range(25)]) / 255
        return Video(frames=Image(pixels), frame_rate=Fraction(25), audio=Audio(torch.from_numpy(tone())[None], 48000))
    if request.param == "uneven file":
        made = Film(times=[n / 25 for n in range(25) if n % 7], pixels=lambda n: numbered(place_of(n)), sound=sound)
    if request.param == "early sound":
        made = Film(frames=15, shift_s=0.4, pixels=lambda n: numbered(n + 10), sound=sound)
    return Video(file=made.write(tmp_path / "whole.mkv"))


def place_of(number: int) -> int:
    return [n for n in range(25) if n % 7][number]


def components(ctx: Context, video: Video) -> tuple[list[int], float | None, float]:
    """(numbers, when the tone begins, seconds of sound)."""
    out = nodes.get_components(ctx, video=video)
    shown = [frame_number(picture) for picture in out.images.pixels]
    if out.audio is None:
        return shown, None, 0.0
    rate_hz = out.audio.sample_rate_hz
    return shown, onset_s(out.audio.waveform, rate_hz), out.audio.waveform.shape[-1] / rate_hz


@pytest.mark.parametrize(
    ("start", "duration", "first", "count"),
    [
        (0.4, 0.2, 10, 5),
        (0.41, 0.2, 11, 5),
        (-0.2, 0.0, 20, 5),
        (0.4, 0.001, 10, 1),
        (0.8, 9.0, 20, 5),
        (-9.0, 0.2, 0, 5),
    ],
)
def test_a_part_has_the_pictures_and_the_sound_of_its_time(
    ctx: Context, whole: Video, start: float, duration: float, first: int, count: int
) -> None:
    all_shown, _, all_s = components(ctx, whole)
    at = first - (25 - len(all_shown)) if start < 0 else first
    shown, onset, seconds = components(ctx, nodes.slice_video(ctx, video=whole, start_time=start, duration=duration))
    assert shown == all_shown[max(0, at) : max(0, at) + count]
    if all_s:
        assert seconds == pytest.approx(len(shown) / 25, abs=0.025)
    if onset is not None and first < 12 < first + count:
        assert onset == pytest.approx(0.5 - max(0, at) / 25, abs=0.045)


def test_a_part_of_a_part(ctx: Context, whole: Video) -> None:
    once = nodes.slice_video(ctx, video=whole, start_time=0.2, duration=0.4)
    twice = nodes.slice_video(ctx, video=once, start_time=0.2, duration=5.0)
    assert components(ctx, twice)[0] == components(ctx, whole)[0][10:15]
    assert components(ctx, nodes.slice_video(ctx, video=once))[0] == components(ctx, once)[0]


def test_what_is_not_there_is_refused(ctx: Context, whole: Video) -> None:
    with pytest.raises(InputInvalid, match=r"nothing is left of the film, which lasts (1.00|0.9\d) s") as caught:
        nodes.slice_video(ctx, video=whole, start_time=1.0)
    assert caught.value.remedy
    with pytest.raises(InputInvalid, match=r"from 0.600 s on it lasts 0.(40|3\d)0 s, not 1.000 s"):
        nodes.slice_video(ctx, video=whole, start_time=0.6, duration=1.0, strict_duration=True)
    assert nodes.slice_video(ctx, video=whole, start_time=0.6, duration=0.3, strict_duration=True) is not None


def test_the_whole_of_a_film_stays_a_copy(ctx: Context, tmp_path: Path) -> None:
    source = Film(sound=tone()).write(tmp_path / "whole.mp4")
    saving.save(tmp_path / "same.mp4", nodes.slice_video(ctx, video=Video(file=source)), WantedFile(), {})
    assert torch.equal(pixels(tmp_path / "same.mp4"), pixels(source))


def test_a_part_is_saved_as_it_is_seen(ctx: Context, whole: Video, tmp_path: Path) -> None:
    part = nodes.slice_video(ctx, video=whole, start_time=0.4, duration=0.4)
    saving.save(tmp_path / "part.mp4", part, WantedFile("mp4", "h264", crf=5), {})
    saved = components(ctx, Video(file=tmp_path / "part.mp4"))
    expected = components(ctx, part)
    assert saved[0] == expected[0]
    assert saved[2] == pytest.approx(expected[2], abs=0.025)


def test_a_long_film_s_part_stays_in_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Film(pixels=numbered).write(tmp_path / "long.mp4")
    monkeypatch.setattr(images, "IN_MEMORY_BYTES", 0)
    made = images.image_of(film.look(path), "sdr")
    part = parts.part_of(Video(frames=made, frame_rate=Fraction(25)), parts.TimeRange(Fraction(2, 5), Fraction(1, 5)))
    assert isinstance(part.frames, images.FilmImage)
    assert images.count_of(part.frames) == 5
    assert [frame_number(picture) for picture in part.frames.pixels] == [10, 11, 12, 13, 14]


def pixels(path: Path) -> torch.Tensor:
    return images.image_of(film.look(path), "sdr").pixels
