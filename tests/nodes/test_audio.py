"""Sound nodes."""

from __future__ import annotations

import pytest
import torch

from engine.context import Context
from engine.errors import InputInvalid
from engine.types import Audio
from nodes import audio as nodes
from nodes import audio_effects as effects
from tests.nodes.saving import files

RAMP = Audio(torch.linspace(-0.9, 0.9, 2000).repeat(1, 2, 1), 1000)


def test_silence(ctx: Context) -> None:
    assert nodes.empty_audio(ctx, duration=0.5, sample_rate=8000, channels=1).waveform.shape == (1, 1, 4000)
    for wrong in ({"duration": 1e18}, {"sample_rate": 0}, {"duration": float("1e9")}):
        with pytest.raises(InputInvalid, match="is not possible"):
            nodes.empty_audio(ctx, **wrong)


@pytest.mark.parametrize(
    ("start", "duration", "samples"),
    [
        (0.0, 60.0, (0, 2000)),
        (0.5, 0.25, (500, 750)),
        (-0.5, 60.0, (1500, 2000)),
        (-9.0, 0.1, (0, 100)),
    ],
)
def test_trim(ctx: Context, start: float, duration: float, samples: tuple[int, int]) -> None:
    out = nodes.trim_duration(ctx, audio=RAMP, start_index=start, duration=duration)
    assert torch.equal(out.waveform, RAMP.waveform[..., slice(*samples)])


def test_trim_from_behind_the_end(ctx: Context) -> None:
    with pytest.raises(InputInvalid, match=r"nothing is left of the sound, which lasts 2.00 s") as caught:
        nodes.trim_duration(ctx, audio=RAMP, start_index=2.0, duration=1.0)
    assert caught.value.input == "start_index"


def test_trim_to_nothing(ctx: Context) -> None:
    with pytest.raises(InputInvalid, match="nothing is left"):
        nodes.trim_duration(ctx, audio=RAMP, duration=0.0)


def test_split_and_concatenate(ctx: Context) -> None:
    left, right = nodes.split_channels(ctx, audio=RAMP)
    assert left.waveform.shape == right.waveform.shape == (1, 1, 2000)
    with pytest.raises(InputInvalid, match="1 channels"):
        nodes.split_channels(ctx, audio=left)
    louder = Audio(left.waveform * 0.5, 1000)
    after = nodes.concatenate(ctx, audio1=RAMP, audio2=louder, direction="after").waveform
    before = nodes.concatenate(ctx, audio1=RAMP, audio2=louder, direction="before").waveform
    assert after.shape == before.shape == (1, 2, 4000)
    assert torch.equal(after[..., :2000], RAMP.waveform)
    assert torch.equal(before[..., 2000:], RAMP.waveform)


def test_concatenate_takes_the_higher_rate(ctx: Context) -> None:
    out = nodes.concatenate(ctx, audio1=RAMP, audio2=Audio(RAMP.waveform, 2000), direction="after")
    assert (out.sample_rate_hz, out.waveform.shape[-1]) == (2000, 6000)


@pytest.mark.parametrize(
    ("method", "expected"), [("add", 1.0), ("mean", 0.55), ("subtract", 0.5 / 1), ("multiply", 0.24)]
)
def test_merge(ctx: Context, method: str, expected: float) -> None:
    first, second = Audio(torch.full((1, 1, 10), 0.8), 1000), Audio(torch.full((1, 1, 5), 0.3), 1000)
    out = nodes.merge(ctx, audio1=first, audio2=second, merge_method=method).waveform[0, 0]
    rest = {"add": 0.8 / 1.1, "mean": 0.4, "subtract": 0.8, "multiply": 0.0}[method]
    torch.testing.assert_close(out, torch.tensor([expected] * 5 + [rest] * 5))
    longer = Audio(torch.full((1, 1, 99), 0.1), 1000)
    assert nodes.merge(ctx, audio1=first, audio2=longer, merge_method=method).waveform.shape[-1] == 10


def test_volume(ctx: Context) -> None:
    out = nodes.adjust_volume(ctx, audio=RAMP, volume=-20).waveform
    torch.testing.assert_close(out, RAMP.waveform / 10)


@pytest.mark.parametrize(
    ("save", "suffix", "folder"),
    [
        (nodes.save_flac, ".flac", "output"),
        (nodes.save_mp3, ".mp3", "output"),
        (nodes.save_opus, ".opus", "output"),
        (nodes.preview_audio, ".flac", "temp"),
    ],
)
def test_saving(ctx: Context, save: object, suffix: str, folder: str) -> None:
    sound = Audio(torch.sin(torch.arange(12000) / 9).repeat(2, 2, 1) * 0.5, 24000)
    assert save(ctx, audio=sound) is sound
    saved = files(ctx, "audio")
    assert len(saved) == 2
    assert all(file.folder == folder and file.filename.endswith(suffix) for file in saved)
    path = ctx.folders.path_of(saved[0])
    path.rename(ctx.folders.input / path.name)
    loaded = nodes.load_audio(ctx, audio=path.name)
    assert loaded.waveform.shape[:2] == (1, 2)
    assert loaded.waveform.abs().max().item() == pytest.approx(0.5, abs=0.05)


def test_the_missing_sound_of_a_silent_film_is_passed_on(ctx: Context) -> None:
    assert nodes.trim_duration(ctx, audio=None) is None
    assert nodes.split_channels(ctx, audio=None) == (None, None)
    assert nodes.adjust_volume(ctx, audio=None) is None
    for combine in (nodes.concatenate, nodes.merge):
        more = {"merge_method": "add"} if combine is nodes.merge else {}
        assert combine(ctx, audio1=None, audio2=None, **more) is None
        assert combine(ctx, audio1=RAMP, audio2=None, **more) is RAMP
        assert combine(ctx, audio1=None, audio2=RAMP, **more) is RAMP


@pytest.mark.parametrize("save", [nodes.save_flac, nodes.save_mp3, nodes.save_opus, nodes.preview_audio])
def test_saving_no_sound_says_so(ctx: Context, save: object) -> None:
    with pytest.raises(InputInvalid, match="no sound to save: the film that it comes from has none") as caught:
        save(ctx, audio=None)
    assert caught.value.remedy


def test_two_channels_are_joined(ctx: Context) -> None:
    left, right = (Audio(RAMP.waveform[:, i : i + 1], 1000) for i in range(2))
    assert torch.equal(effects.join_channels(ctx, audio_left=left, audio_right=right).waveform, RAMP.waveform)
    short = Audio(torch.ones(1, 1, 3000), 2000)
    joined = effects.join_channels(ctx, audio_left=left, audio_right=short)
    assert (joined.sample_rate_hz, joined.waveform.shape) == (2000, (1, 2, 3000))
    assert effects.join_channels(ctx, audio_left=None, audio_right=right) is right
    with pytest.raises(InputInvalid, match="the sound has 2 channels, not 1") as caught:
        effects.join_channels(ctx, audio_left=left, audio_right=RAMP)
    assert caught.value.input == "audio_right"


RATE_HZ = 16000


def loudness_db(ctx: Context, hz: float, **gains: float) -> float:
    """By how much a tone is louder behind the equalizer."""
    wave = 0.1 * torch.sin(torch.arange(RATE_HZ) * (2 * torch.pi * hz / RATE_HZ))
    out = effects.equalize(ctx, audio=Audio(wave[None, None], RATE_HZ), **gains)
    return float(20 * (out.waveform[..., 4000:].square().mean().sqrt() / wave[4000:].square().mean().sqrt()).log10())


@pytest.mark.parametrize(
    ("band", "touched_hz", "untouched_hz"), [("low", 25, 2000), ("mid", 1000, 60), ("high", 7500, 400)]
)
@pytest.mark.parametrize("gain_db", [-12.0, 9.0])
def test_each_band_makes_its_own_frequencies_louder(
    ctx: Context, band: str, touched_hz: float, untouched_hz: float, gain_db: float
) -> None:
    gains = {f"{band}_gain_dB": gain_db}
    assert loudness_db(ctx, touched_hz, **gains) == pytest.approx(gain_db, abs=0.7)
    assert loudness_db(ctx, untouched_hz, **gains) == pytest.approx(0, abs=0.3)


def test_the_equalizer_clips_and_leaves_out_what_the_rate_cannot_hold(ctx: Context) -> None:
    loud = effects.equalize(ctx, audio=RAMP, low_gain_dB=24.0)
    assert loud.waveform.abs().max() == 1
    # Above half the sample rate its filter would be unstable: ComfyUI 0.33.0 gives NaN there.
    assert torch.equal(effects.equalize(ctx, audio=RAMP, high_gain_dB=20.0).waveform, RAMP.waveform)
    assert effects.equalize(ctx, audio=None, low_gain_dB=1.0) is None


@pytest.mark.parametrize(
    ("chosen", "suffix"),
    [
        ({"format": "flac"}, ".flac"),
        ({"format": "mp3", "quality": "V0"}, ".mp3"),
        ({"format": "opus", "quality": "64k"}, ".opus"),
    ],
)
def test_the_advanced_node_saves_what_is_chosen(ctx: Context, chosen: dict[str, str], suffix: str) -> None:
    sound = Audio(RAMP.waveform, 8000)
    assert nodes.save_audio(ctx, audio=sound, format=chosen) is sound
    assert [file.filename for file in files(ctx, "audio")] == [f"ComfyUI_00001_{suffix}"]


def test_a_recording_is_the_file_that_was_uploaded(ctx: Context) -> None:
    from nodes.media import sound_files

    sound_files.write(ctx.folders.input / "said.flac", RAMP.waveform[0], 8000, "flac", "", {})
    assert nodes.record_audio(ctx, audio="said.flac").waveform.shape == (1, 2, 2000)
    for nothing in ("", " ", None):
        with pytest.raises(InputInvalid, match="there is no recording, and nothing is recorded here") as caught:
            nodes.record_audio(ctx, audio=nothing)
        assert caught.value.remedy
