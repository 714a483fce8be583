"""Films whose frames take much memory stay in their files, and go from there to the encoder one by one."""

from __future__ import annotations

import gc
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.media.films import Film, frame_number, numbered, tone
from engine.errors import InputInvalid
from engine.limits import Limits
from engine.sizes import measure
from engine.types import Video
from nodes.media import film, images, saving
from nodes.media.colour import DecodedPicture
from nodes.media.saving import WantedFile


@pytest.fixture
def long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> images.FilmImage:
    """A film that is taken for a long one."""
    path = Film(frames=12, pixels=numbered, sound=tone(), options={"bf": "2"}).write(tmp_path / "long.mp4")
    monkeypatch.setattr(images, "IN_MEMORY_BYTES", 0)
    made = images.image_of(film.look(path), "sdr")
    assert isinstance(made, images.FilmImage)
    return made


def numbers(path: Path) -> list[int]:
    return [frame_number(picture) for picture in images.tensor_of(film.look(path), "sdr")]


def test_it_is_the_same_picture_for_picture(long: images.FilmImage) -> None:
    whole = images.tensor_of(long.film, "sdr")
    assert torch.equal(long.pixels, whole)
    assert torch.equal(torch.from_numpy(np.stack([*images.pictures_of(long)])).div(255), whole)
    assert images.size_of(long) == (128, 96)
    assert images.count_of(long) == 12


def test_its_pixels_are_let_go_of_once_nobody_uses_them(long: images.FilmImage) -> None:
    first = long.pixels
    assert long.pixels is first
    del first
    gc.collect()
    assert long._made() is None


def test_nobody_reads_it_to_see_how_large_it_is(long: images.FilmImage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "tensor_of", no_reading)
    assert sum(measure(long)[1].values()) == 0


def no_reading(*_: object, **__: object) -> torch.Tensor:
    raise AssertionError("all frames were read into memory")


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "webm"])
def test_it_is_written_frame_by_frame(
    long: images.FilmImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    made_rgb = []

    def keep(self: DecodedPicture, *arguments: object) -> DecodedPicture:
        made_rgb.append(self)
        return self

    with monkeypatch.context() as patch:
        patch.setattr(images, "tensor_of", no_reading)
        patch.setattr(DecodedPicture, "turned", keep)
        video = Video(frames=long, frame_rate=Fraction(30), audio=long.film.audio())
        saving.save(tmp_path / f"a.{suffix}", video, WantedFile(suffix), {})
    assert made_rgb == [], "not even RGB is made of them"
    found = film.look(tmp_path / f"a.{suffix}")
    assert (found.clock.rate, found.count) == (30, 12)
    assert numbers(tmp_path / f"a.{suffix}") == list(range(12))
    audio = found.audio()
    assert audio is not None
    assert audio.waveform.shape[-1] / audio.sample_rate_hz == pytest.approx(0.4, abs=0.03)


def test_what_does_not_fit_into_memory_is_refused_before_it_is_read(tmp_path: Path) -> None:
    class Small:
        limits = Limits(memory_bytes=1_000_000)

        def note(self, message: str) -> None:
            raise AssertionError(message)

        def check_cancelled(self) -> None:
            pass

    path = Film(frames=30).write(tmp_path / "a.mp4")
    with pytest.raises(InputInvalid, match="of memory at once"):
        images.tensor_of(film.look(path, Small()), "sdr")
