"""Reading and writing film files."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest
import torch

from engine.errors import InputInvalid
from engine.types import Audio, Image, Video
from nodes.pictures import film

LEVELS = torch.linspace(0.1, 0.9, 6)
FRAMES = LEVELS[:, None, None, None].expand(6, 32, 48, 3)
TONE = 0.5 * torch.sin(torch.arange(16000) / 8).repeat(2, 1)
TEXTS = {"prompt": '{"1": {}}', "workflow": "[]"}


def texts_of(path: Path) -> dict[str, str]:
    with av.open(str(path)) as container:
        return {key.lower(): value for key, value in container.metadata.items()}


def codec_of(path: Path) -> str:
    with av.open(str(path)) as container:
        return str(container.streams.video[0].codec.name)


@pytest.fixture
def mp4(tmp_path: Path) -> Path:
    path = tmp_path / "film.mp4"
    film.write_mp4(path, film.Film(FRAMES, Fraction(12), Audio(TONE[None], 16000)), TEXTS)
    return path


@pytest.fixture
def webm(tmp_path: Path) -> Path:
    path = tmp_path / "film.webm"
    film.write_webm(path, FRAMES, 12.5, "vp9", 20.0, TEXTS)
    return path


def test_mp4_round_trip(mp4: Path) -> None:
    found = film.read(mp4)
    assert found.frame_rate == 12
    assert found.frames.shape == (6, 32, 48, 3)
    torch.testing.assert_close(found.frames.mean((1, 2, 3)), LEVELS, atol=0.02, rtol=0)
    assert found.audio is not None
    assert found.audio.sample_rate_hz == 16000
    # Half a second of film; the codec rounds up to whole frames of 1024 samples.
    assert 8000 <= found.audio.waveform.shape[-1] <= 8000 + 2 * 1024
    assert found.audio.waveform.abs().max() > 0.3
    assert texts_of(mp4).items() >= TEXTS.items()


@pytest.mark.parametrize(("codec", "name"), [("vp9", "vp9"), ("av1", "av1")])
def test_webm_round_trip(tmp_path: Path, codec: str, name: str) -> None:
    path = tmp_path / "a.webm"
    odd = FRAMES[:, :31, :47] if codec == "vp9" else torch.nn.functional.pad(FRAMES, (0, 0, 16, 0, 32, 0))
    film.write_webm(path, odd, 12.5, codec, 20.0, TEXTS)
    found = film.read(path)
    assert found.frames.shape == odd.shape
    assert found.frame_rate == Fraction(25, 2)
    assert found.audio is None
    torch.testing.assert_close(found.frames.mean((1, 2, 3)), odd.mean((1, 2, 3)), atol=0.02, rtol=0)
    assert name in codec_of(path)
    assert texts_of(path).items() >= TEXTS.items()


def test_fitting_file_is_copied_without_loss(mp4: Path, tmp_path: Path) -> None:
    film.save(tmp_path / "copy.mp4", Video(file=mp4), "mp4", "h264", {"prompt": "new"})
    assert torch.equal(film.read(tmp_path / "copy.mp4").frames, film.read(mp4).frames)
    assert texts_of(tmp_path / "copy.mp4")["prompt"] == "new"
    assert texts_of(tmp_path / "copy.mp4")["workflow"] == "[]"


def test_other_codec_is_encoded_again_where_asked(webm: Path, tmp_path: Path) -> None:
    film.save(tmp_path / "as_is.mp4", Video(file=webm), "auto", "auto", {})
    film.save(tmp_path / "again.mp4", Video(file=webm), "auto", "h264", {})
    assert codec_of(tmp_path / "as_is.mp4") == "vp9"
    assert codec_of(tmp_path / "again.mp4") == "h264"
    assert film.read(tmp_path / "again.mp4").frame_rate == Fraction(25, 2)


def test_components_and_size(mp4: Path) -> None:
    made = Video(frames=Image(FRAMES), frame_rate=Fraction(30))
    assert film.size(made) == film.size(Video(file=mp4)) == (48, 32)
    assert film.components(made).frames is FRAMES
    assert len(film.components(Video(file=mp4)).frames) == 6


def test_odd_sides_and_no_frames_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputInvalid, match="even sides, not 47x31"):
        film.write_mp4(tmp_path / "a.mp4", film.Film(FRAMES[:, :31, :47], Fraction(12), None), {})
    with pytest.raises(InputInvalid, match="no frames"):
        film.write_webm(tmp_path / "a.webm", FRAMES[:0], 12.0, "vp9", 20.0, {})


def test_faulty_files_are_refused(mp4: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "text.mp4").write_text("no film")
    (tmp_path / "cut.mp4").write_bytes(mp4.read_bytes()[:2000])
    (tmp_path / "empty.mp4").touch()
    for name in ("text.mp4", "cut.mp4", "empty.mp4", "missing.mp4"):
        with pytest.raises(InputInvalid, match=f"'{name}'"):
            film.read(tmp_path / name)
    monkeypatch.setattr(film, "MAX_PIXELS", 32 * 48 * 5)
    with pytest.raises(InputInvalid, match="more than"):
        film.read(mp4)


def test_sound_without_pictures_is_no_film(tmp_path: Path) -> None:
    from nodes.pictures import sound

    sound.write(tmp_path / "a.flac", TONE, 16000, "flac", "", {})
    with pytest.raises(InputInvalid, match="holds no pictures"):
        film.read(tmp_path / "a.flac")
