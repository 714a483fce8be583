"""Reading, writing and resampling sound."""

from __future__ import annotations

from pathlib import Path

import av
import pytest
import torch

from engine.errors import InputInvalid
from nodes.pictures import film, sound

TONE = 0.5 * torch.sin(torch.arange(22050) * (440 * 2 * torch.pi / 22050)).repeat(2, 1)


@pytest.mark.parametrize(
    ("kind", "quality", "rate_hz", "error"),
    [("flac", "", 22050, 1e-4), ("mp3", "V0", 22050, 0.05), ("mp3", "128k", 22050, 0.05), ("opus", "96k", 24000, 0.05)],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_round_trip(tmp_path: Path, kind: str, quality: str, rate_hz: int, error: float, channels: int) -> None:
    path = tmp_path / f"a.{kind}"
    sound.write(path, TONE[:channels], 22050, kind, quality, {"prompt": "{}"})
    found = sound.read(path)
    assert found.sample_rate_hz == (48000 if kind == "opus" else rate_hz)
    expected = sound.resample(TONE[:channels], 22050, found.sample_rate_hz)
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
    out = sound.resample(TONE, 22050, 44100)
    assert out.shape == (2, 44100)
    torch.testing.assert_close(out[:, ::2][:, 500:-500], TONE[:, 500:-500], atol=1e-3, rtol=0)
    assert sound.resample(TONE, 22050, 22050) is TONE


def test_what_is_no_sound_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_text("no sound")
    film.write_webm(tmp_path / "silent.webm", torch.zeros(2, 32, 32, 3), 8.0, "vp9", 40.0, {})
    for name in ("a.mp3", "missing.mp3", "silent.webm"):
        with pytest.raises(InputInvalid, match=f"'{name}'"):
            sound.read(tmp_path / name)


def test_channels_without_a_name_are_refused() -> None:
    assert sound.layout(torch.zeros(6, 1)) == "5.1"
    with pytest.raises(InputInvalid, match="3 channels"):
        sound.layout(torch.zeros(3, 1))
