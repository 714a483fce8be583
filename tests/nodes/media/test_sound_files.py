"""Reading, writing and resampling sound."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
import torch

from engine.errors import InputInvalid
from nodes.media import film, sound, sound_files, writing
from tests.nodes.media.conftest import Listener

TONE = 0.5 * torch.sin(torch.arange(22050) * (440 * 2 * torch.pi / 22050)).repeat(2, 1)


@pytest.mark.parametrize(
    ("kind", "quality", "rate_hz", "error"),
    [("flac", "", 22050, 1e-4), ("mp3", "V0", 22050, 0.05), ("mp3", "128k", 22050, 0.05), ("opus", "96k", 24000, 0.05)],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_round_trip(tmp_path: Path, kind: str, quality: str, rate_hz: int, error: float, channels: int) -> None:
    path = tmp_path / f"a.{kind}"
    sound_files.write(path, TONE[:channels], 22050, kind, quality, {"prompt": "{}"})
    found = sound.read(path)
    assert found.sample_rate_hz == (48000 if kind == "opus" else rate_hz)
    expected = sound_files.resample(TONE[:channels], 22050, found.sample_rate_hz)
    length = min(found.waveform.shape[-1], expected.shape[-1])
    assert abs(found.waveform.shape[-1] - expected.shape[-1]) < 3000
    middle = slice(4000, length - 4000)
    assert found.waveform.shape[:2] == (1, channels)
    assert (found.waveform[0, :, middle].abs().amax() - 0.5).abs() < max(error, 0.02)
    if kind == "flac":
        torch.testing.assert_close(found.waveform[0], expected, atol=error, rtol=0)
    with av.open(str(path)) as container:
        texts = {**container.metadata, **container.streams.audio[0].metadata}
    assert texts["prompt"] == "{}"


def test_resampling_keeps_the_tone() -> None:
    out = sound_files.resample(TONE, 22050, 44100)
    assert out.shape == (2, 44100)
    torch.testing.assert_close(out[:, ::2][:, 500:-500], TONE[:, 500:-500], atol=1e-3, rtol=0)
    assert sound_files.resample(TONE, 22050, 22050) is TONE


def test_what_is_no_sound_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_text("no sound")
    frames = iter(np.zeros((2, 32, 32, 3), np.uint8))
    writing.write(tmp_path / "silent.webm", "webm", frames, (32, 32), 8, writing.Encoding("vp9"))
    for name in ("a.mp3", "missing.mp3", "silent.webm"):
        with pytest.raises(InputInvalid, match=f"'{name}'") as caught:
            sound.read(tmp_path / name)
        assert str(tmp_path) not in str(caught.value)
    assert film.look(tmp_path / "silent.webm").audio() is None


def test_flac_keeps_24_bits_and_takes_16_where_they_hold_all(tmp_path: Path) -> None:
    fine = (torch.arange(-5000, 5000) * 7 / 2**23)[None]
    coarse = (torch.arange(-5000, 5000) / 2**15)[None]
    for waveform, bits in ((fine, 24), (coarse, 16)):
        sound_files.write(tmp_path / "a.flac", waveform, 48000, "flac", "", {})
        with av.open(str(tmp_path / "a.flac")) as container:
            assert container.streams.audio[0].format.bits == (32 if bits == 24 else 16)
        assert torch.equal(sound.read(tmp_path / "a.flac").waveform[0], waveform)
    with av.open(str(tmp_path / "a.flac"), "w") as container:
        pass
    sound_files.write(tmp_path / "loud.flac", torch.tensor([[2.0, -2.0, float("nan")]]), 48000, "flac", "", {})
    assert sound.read(tmp_path / "loud.flac").waveform.abs().max() <= 1


@pytest.mark.parametrize("kind", ["flac", "mp3", "opus"])
@pytest.mark.parametrize("rate_hz", [8000, 11025, 40000, 44100, 96000, 192000])
def test_any_rate_is_written_and_told_where_it_is_changed(
    tmp_path: Path, run: Listener, kind: str, rate_hz: int
) -> None:
    wave = 0.5 * torch.sin(torch.arange(rate_hz // 2) * (440 * 2 * torch.pi / rate_hz))[None]
    quality = {"mp3": "128k", "opus": "96k"}.get(kind, "")
    sound_files.write(tmp_path / f"a.{kind}", wave, rate_hz, kind, quality, {}, run)
    found = sound.read(tmp_path / f"a.{kind}")
    assert found.waveform.shape[-1] / found.sample_rate_hz == pytest.approx(0.5, abs=0.06)
    changed = rate_hz not in (sound_files.ENCODERS[kind].rates_hz or (rate_hz,))
    assert [f"{rate_hz} Hz is resampled" in note for note in run.notes] == [True] * changed


@pytest.mark.parametrize("channels", range(1, 9))
def test_any_number_of_channels_is_written(tmp_path: Path, run: Listener, channels: int) -> None:
    wave = torch.stack([0.1 * torch.sin(torch.arange(24000) * (0.01 + 0.005 * c)) for c in range(channels)])
    for kind in ("flac", "opus", "mp3"):
        path = tmp_path / f"{channels}.{kind}"
        sound_files.write(path, wave, 48000, kind, "128k" if kind != "flac" else "", {}, run)
        found = sound.read(path).waveform
        assert found.shape[1] == (min(channels, 2) if kind == "mp3" else channels)
        if kind == "flac":
            torch.testing.assert_close(found[0], wave, atol=2e-7, rtol=0)
    assert len(run.notes) == (1 if channels > 2 else 0)


def test_nine_channels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputInvalid, match="9 channels"):
        sound_files.write(tmp_path / "a.flac", torch.zeros(9, 10), 48000, "flac", "", {})
