"""Films and sound that are cut off, damaged, empty or made to take much: one clear error, bounded memory and time."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from benchmarks.media.films import Film, tone
from benchmarks.media.rows.faulty import song_with_bomb
from engine.errors import InputInvalid
from nodes.media import clock, film, images, sound
from tests.nodes.media.conftest import Listener


def refused(path: Path, says: str) -> None:
    with pytest.raises(InputInvalid, match=says) as caught:
        images.image_of(film.look(path), "sdr")
    assert path.name in caught.value.message
    assert str(path.parent) not in str(caught.value)
    assert caught.value.remedy
    assert caught.value.input == "video"


@pytest.fixture
def whole(tmp_path: Path) -> bytes:
    return Film(sound=tone(), options={"g": "5"}).write(tmp_path / "whole.mp4").read_bytes()


@pytest.mark.parametrize("kept", [0, 10, 100, 0.4, 0.6])
def test_a_film_that_is_cut_off_before_its_index(tmp_path: Path, whole: bytes, kept: float) -> None:
    (tmp_path / "cut.mp4").write_bytes(whole[: int(kept * len(whole)) if kept < 1 else int(kept)])
    refused(tmp_path / "cut.mp4", r"is no readable film, or is cut off")


@pytest.mark.parametrize(("name", "options"), [("a.mp4", {"movflags": "faststart"}), ("a.mkv", {}), ("a.ts", {})])
def test_a_film_that_is_cut_off_behind_its_index_gives_what_there_is(
    tmp_path: Path, run: Listener, name: str, options: dict[str, str]
) -> None:
    path = Film(sound=tone(), options={"g": "5"}, container_options=options).write(tmp_path / name)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    found = images.image_of(film.look(path), "sdr", run).pixels
    assert 8 <= len(found) <= 24


def test_zeros_and_texts_and_folders(tmp_path: Path, whole: bytes) -> None:
    (tmp_path / "zeros.mp4").write_bytes(whole[:40] + bytes(len(whole)))
    (tmp_path / "text.mp4").write_text("no film")
    (tmp_path / "list.m3u8").write_text("#EXTM3U\n#EXTINF:1,\nwhole.mp4\n")
    (tmp_path / "list.txt").write_text("ffconcat version 1.0\nfile whole.mp4\n")
    (tmp_path / "folder.mp4").mkdir()
    for name in ("zeros.mp4", "text.mp4", "list.m3u8", "list.txt", "folder.mp4", "missing.mp4"):
        refused(tmp_path / name, "is no readable film")


@pytest.mark.parametrize("form", ["mp4", "matroska", "mpegts", "avi"])
def test_a_film_without_frames(tmp_path: Path, form: str) -> None:
    with av.open(str(tmp_path / "empty.film"), "w", format=form) as out:
        stream = out.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        out.start_encoding()
    refused(tmp_path / "empty.film", r"holds no|no readable film")


def test_a_million_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(film, "MAX_FRAMES", 1000)
    with av.open(str(tmp_path / "many.nut"), "w") as out:
        stream = out.add_stream("rawvideo", rate=1000)
        stream.width, stream.height, stream.pix_fmt = 2, 2, "gray"
        frame = av.VideoFrame(2, 2, "gray")
        frame.time_base = Fraction(1, 1000)
        for number in range(1001):
            frame.pts = number
            out.mux(stream.encode(frame))
    refused(tmp_path / "many.nut", "more than 1,000 frames")


@pytest.mark.parametrize("gap_s", [18_000.0, 80_000.0])
def test_a_gap_of_hours_is_not_filled_for_hours(tmp_path: Path, gap_s: float) -> None:
    path = Film(times=[0, 0.04, 0.08, gap_s]).write(tmp_path / "gap.mkv")
    if gap_s * 25 > clock.MAX_FRAMES:
        refused(path, "more than 500,000 frames")
    else:
        with pytest.raises(InputInvalid, match=r"it would take .* of memory at once"):
            images.image_of(film.look(path), "sdr").pixels  # noqa: B018


@pytest.mark.parametrize("width", [b"\x40\x00", b"\xff\xff"])
def test_frames_of_16_000_pixels_a_side(tmp_path: Path, width: bytes) -> None:
    path = Film(frames=3, size=(300, 300), codec="ffv1").write(tmp_path / "wide.mkv")
    data = path.read_bytes()
    for side in (b"\xb0\x82", b"\xba\x82"):
        assert data.count(side + b"\x01\x2c") == 1
        data = data.replace(side + b"\x01\x2c", side + width)
    path.write_bytes(data)
    refused(path, r"holds no|more than 67,108,864 pixels|no readable film")


@pytest.mark.parametrize("rate", [Fraction(10**9), Fraction(1, 1000)])
def test_rates_beyond_reason(tmp_path: Path, rate: Fraction) -> None:
    found = film.look(Film(frames=3, rate=rate).write(tmp_path / "a.mkv"))
    assert 0 < found.clock.rate <= clock.MAX_RATE
    assert found.count <= 3


def test_times_before_zero(tmp_path: Path) -> None:
    found = film.look(Film(frames=10, shift_s=-5).write(tmp_path / "a.mkv"))
    assert (found.clock.rate, found.count) == (25, 10)


COVER = """
import resource, sys
from pathlib import Path
from engine.errors import InputInvalid
from nodes.media import opening
path = Path(sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with opening.opened(path) as container:
    assert sum(frame.samples for frame in container.decode(opening.sound_track(container))) > 1000
try:
    with opening.opened(path) as container:
        opening.picture_track(container, path)
except InputInvalid as error:
    assert "holds no pictures" in error.message
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_a_cover_of_many_pixels_is_not_decoded(tmp_path: Path) -> None:
    """Its 8,300 x 8,300 pixels would take 207 MB; a process of its own tells its peak."""
    path = tmp_path / "song.mp3"
    song_with_bomb(path)
    told = subprocess.run([sys.executable, "-c", COVER, str(path)], capture_output=True, text=True, check=True)
    assert int(told.stdout.strip()) < 100


def test_pictures_that_change_their_size(tmp_path: Path, run: Listener) -> None:
    def joined(name: str, second: tuple[int, int]) -> Path:
        parts = [Film(frames=5, size=size).write(tmp_path / f"{n}.ts") for n, size in enumerate([(128, 96), second])]
        path = tmp_path / name
        path.write_bytes(b"".join(part.read_bytes() for part in parts))
        return path

    scaled = joined("smaller.ts", (64, 48))
    found = images.image_of(film.look(scaled), "sdr", run).pixels
    assert found.shape[1:] == (96, 128, 3)
    assert len(found) >= 9
    assert np.abs(found[-1].numpy() - found[0].numpy()).mean() < 0.05, "neither scrambled nor uninitialised"
    assert any("from 128x96 to 64x48" in note for note in run.notes)
    refused(joined("turned.ts", (96, 128)), "change from 128x96 to 96x128 in the middle of the film")


def test_damaged_sound(tmp_path: Path) -> None:
    for data in (b"", b"RIFF" + bytes(100), b"ID3" + bytes(100), b"fLaC" + bytes(100)):
        (tmp_path / "a.wav").write_bytes(data)
        with pytest.raises(InputInvalid) as caught:
            sound.read(tmp_path / "a.wav")
        assert caught.value.input == "audio"
        assert str(tmp_path) not in str(caught.value)
