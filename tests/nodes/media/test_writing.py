"""Writing and copying film files."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from benchmarks.media.films import Film, tone
from engine.errors import InputInvalid
from engine.limits import Limits
from engine.types import Audio, Image, Video
from nodes.media import film, images, saving, sound_files, writing
from nodes.media.saving import WantedFile
from nodes.media.telling import Nobody
from tests.nodes.media.conftest import Listener

LEVELS = torch.linspace(0.1, 0.9, 6)
FRAMES = LEVELS[:, None, None, None].expand(6, 32, 48, 3)
TONE = 0.5 * torch.sin(torch.arange(16000) / 8).repeat(2, 1)
TEXTS = {"prompt": '{"1": {}}', "workflow": "[]"}


def texts_of(path: Path) -> dict[str, str]:
    with av.open(str(path)) as container:
        return {key.lower(): value for key, value in container.metadata.items()}


def codec_of(path: Path) -> str:
    with av.open(str(path)) as container:
        return str(container.streams.video[0].codec.canonical_name)


def pixels_of(path: Path) -> torch.Tensor:
    return images.image_of(film.look(path), "sdr").pixels


def each(frames: torch.Tensor) -> Iterator[np.ndarray]:
    return (frame.numpy() for frame in frames)


def write(path: Path, frames: torch.Tensor, fps: float, codec: str, audio: Audio | None = None) -> Path:
    size = (frames.shape[2], frames.shape[1])
    encoding = writing.Encoding(codec, crf=20)
    writing.write(path, path.suffix[1:], each(frames), size, fps, encoding, audio, TEXTS)
    return path


@pytest.fixture
def mp4(tmp_path: Path) -> Path:
    return write(tmp_path / "film.mp4", FRAMES, 12, "h264", Audio(TONE[None], 16000))


@pytest.fixture
def webm(tmp_path: Path) -> Path:
    return write(tmp_path / "film.webm", FRAMES, 12.5, "vp9")


def test_mp4_round_trip(mp4: Path) -> None:
    found = film.look(mp4)
    assert found.clock.rate == 12
    assert pixels_of(mp4).shape == (6, 32, 48, 3)
    torch.testing.assert_close(pixels_of(mp4).mean((1, 2, 3)), LEVELS, atol=0.02, rtol=0)
    audio = found.audio()
    assert audio is not None
    assert audio.sample_rate_hz == 16000
    assert audio.waveform.shape[-1] == 8000, "half a second of film: what the codec adds is cut"
    assert audio.waveform.abs().max() > 0.3
    assert texts_of(mp4).items() >= TEXTS.items()


@pytest.mark.parametrize("codec", ["vp9", "av1"])
def test_webm_round_trip(tmp_path: Path, codec: str) -> None:
    odd = FRAMES[:, :31, :47] if codec == "vp9" else torch.nn.functional.pad(FRAMES, (0, 0, 16, 0, 32, 0))
    path = write(tmp_path / "a.webm", odd, 12.5, codec)
    assert pixels_of(path).shape == odd.shape
    assert film.look(path).clock.rate == Fraction(25, 2)
    assert film.look(path).audio() is None
    torch.testing.assert_close(pixels_of(path).mean((1, 2, 3)), odd.mean((1, 2, 3)), atol=0.02, rtol=0)
    assert codec_of(path) == codec
    assert texts_of(path).items() >= TEXTS.items()


def test_fitting_file_is_copied_without_loss(mp4: Path, tmp_path: Path) -> None:
    saving.save(tmp_path / "copy.mp4", Video(file=mp4), WantedFile("mp4", "h264"), {"prompt": "new"})
    assert torch.equal(pixels_of(tmp_path / "copy.mp4"), pixels_of(mp4))
    assert texts_of(tmp_path / "copy.mp4")["prompt"] == "new"
    assert texts_of(tmp_path / "copy.mp4")["workflow"] == "[]"


def test_other_codec_is_encoded_again_where_asked(webm: Path, tmp_path: Path) -> None:
    saving.save(tmp_path / "as_is.mp4", Video(file=webm), WantedFile(), {})
    saving.save(tmp_path / "again.mp4", Video(file=webm), WantedFile(codec="h264"), {})
    assert codec_of(tmp_path / "as_is.mp4") == "vp9"
    assert codec_of(tmp_path / "again.mp4") == "h264"
    assert film.look(tmp_path / "again.mp4").clock.rate == Fraction(25, 2)


def test_every_container_and_codec(mp4: Path, tmp_path: Path) -> None:
    made = Video(frames=Image(FRAMES.repeat(1, 2, 2, 1)), frame_rate=Fraction(8), audio=Audio(TONE[None], 16000))
    for video in (made, Video(file=mp4)):
        for form, codec in (("webm", "auto"), ("webm", "av1"), ("mkv", "h264"), ("mkv", "av1"), ("mp4", "av1")):
            if video is not made and codec == "av1" and form != "webm":
                continue
            path = tmp_path / f"a.{form}"
            saving.save(path, video, WantedFile(form, codec, crf=50), {})
            assert codec_of(path) == ("h264" if codec == "h264" else "av1")
            audio = film.look(path).audio()
            assert audio is not None
            assert audio.sample_rate_hz == (48000 if form == "webm" else 16000)
    with pytest.raises(InputInvalid, match=r"WEBM has no H.264"):
        saving.save(tmp_path / "b.webm", made, WantedFile("webm", "h264"), {})


def test_crf_makes_files_smaller_and_is_encoded_anew(tmp_path: Path) -> None:
    noise = torch.rand(4, 96, 128, 3, generator=torch.Generator().manual_seed(1))
    made = Video(frames=Image(noise), frame_rate=Fraction(8))
    sizes = []
    for crf in (5, 30, 50):
        saving.save(tmp_path / "a.mp4", made, WantedFile("mp4", "h264", crf=crf), {})
        sizes.append((tmp_path / "a.mp4").stat().st_size)
    assert sizes[0] > 2 * sizes[1] > 4 * sizes[2]
    saving.save(tmp_path / "b.mp4", Video(file=write(tmp_path / "n.mp4", noise, 8, "h264")), WantedFile(crf=50), {})
    assert (tmp_path / "b.mp4").stat().st_size < (tmp_path / "n.mp4").stat().st_size / 3


def test_colours_that_pixels_do_not_have_are_not_asked_of_a_file(mp4: Path, tmp_path: Path) -> None:
    with pytest.raises(InputInvalid, match="the film is sRGB, and is not converted to HDR"):
        saving.save(tmp_path / "a.mp4", Video(file=mp4), WantedFile(color_space="HDR"), {})
    saving.save(
        tmp_path / "a.mp4", Video(frames=Image(FRAMES), frame_rate=Fraction(8)), WantedFile(color_space="HDR"), {}
    )
    found = film.look(tmp_path / "a.mp4")
    assert (found.meaning.transfer, found.meaning.primaries, found.meaning.bits) == ("hlg", "bt2020", 10)


@pytest.mark.parametrize(
    ("channels", "rate_hz"), [(1, 40000), (2, 96000), (3, 44100), (4, 11025), (6, 192000), (8, 8000)]
)
def test_films_take_sound_of_any_rate_and_number_of_channels(
    tmp_path: Path, run: Listener, channels: int, rate_hz: int
) -> None:
    audio = Audio(torch.rand(1, channels, rate_hz) - 0.5, rate_hz)
    for suffix, codec in (("mp4", "h264"), ("webm", "vp9")):
        path = tmp_path / f"a.{suffix}"
        writing.write(path, suffix, each(FRAMES), (48, 32), 12, writing.Encoding(codec), audio, {}, run)
        found = film.look(path).audio()
        assert found is not None
        assert found.waveform.shape[1] == channels
        assert found.waveform.shape[-1] / found.sample_rate_hz == pytest.approx(0.5, abs=0.03)
    if rate_hz in (40000, 192000):
        assert any(f"sound of {rate_hz} Hz is resampled" in note for note in run.notes)


def test_a_silent_track_that_nothing_decodes_is_no_reason_to_encode_anew(tmp_path: Path, run: Listener) -> None:
    path = without_decoder(Film(sound=tone(), sound_codec="pcm_s16le").write(tmp_path / "phone.mov"))
    found = film.look(path, run)
    assert found.audio(run) is None
    assert len(pixels_of(path)) == 25
    assert any("sound track of an unknown kind" in note for note in run.notes)
    saving.save(tmp_path / "copy.mp4", Video(file=path), WantedFile(), {})
    assert torch.equal(pixels_of(tmp_path / "copy.mp4"), pixels_of(path))


def without_decoder(path: Path) -> Path:
    """The film with its sound said to be of a kind that nothing knows, as phones' spatial audio is."""
    data = path.read_bytes()
    assert data.count(b"sowt") == 1
    path.write_bytes(data.replace(b"sowt", b"xyzw"))
    return path


def test_odd_sides_and_no_frames_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputInvalid, match="even sides, not 47x31"):
        write(tmp_path / "a.mp4", FRAMES[:, :31, :47], 12, "h264")
    with pytest.raises(InputInvalid, match="no frames"):
        write(tmp_path / "a.webm", FRAMES[:0], 12, "vp9")


def test_faulty_files_are_refused(mp4: Path, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no film")
    (tmp_path / "cut.mp4").write_bytes(mp4.read_bytes()[:700])
    (tmp_path / "empty.mp4").touch()
    for name in ("text.mp4", "cut.mp4", "empty.mp4", "missing.mp4"):
        with pytest.raises(InputInvalid, match=f"'{name}'") as caught:
            film.look(tmp_path / name)
        assert str(tmp_path) not in str(caught.value)


def test_films_that_are_too_much_are_refused_before_they_are_decoded(mp4: Path) -> None:
    class Small(Nobody):
        limits = Limits(memory_bytes=10_000)

    class Narrow(Nobody):
        limits = Limits(pixels=32 * 48 - 1)

    look = film.look(mp4, Small())
    with pytest.raises(InputInvalid, match="memory"):
        images.image_of(look, "sdr")
    with pytest.raises(InputInvalid, match=r"'.*' \(.*x.*\) has more than .* megapixels"):
        film.look(mp4, Narrow())


def test_sound_without_pictures_is_no_film(tmp_path: Path) -> None:
    sound_files.write(tmp_path / "a.flac", TONE, 16000, "flac", "", {})
    with pytest.raises(InputInvalid, match="holds no pictures"):
        film.look(tmp_path / "a.flac")
