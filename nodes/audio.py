"""Sound: loading, saving, cutting and mixing it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import lazy_loader as lazy

from engine.context import Context
from engine.encoded import Series
from engine.errors import InputInvalid
from engine.fingerprint import file_fingerprint
from engine.inputs import Choice, DynamicChoice, Edited, FileChoice, Float, Given, Int, Wire
from engine.registry import node
from engine.types import Audio
from nodes import media, memory
from nodes.metadata import streams
from nodes.picture_inputs import Prefix

if TYPE_CHECKING:
    import torch
else:
    torch = lazy.load("torch")

MAX_SAMPLES = 2**30
_MAX_S = 2**64 - 1
_MEDIA_TYPES = {"flac": "audio/flac", "mp3": "audio/mpeg", "opus": "audio/ogg"}


# A film without sound gives None, which nodes pass on.
Sound = Annotated[Audio | None, Wire("AUDIO")]
SAMPLE_RATE = Int(min=1, max=192_000)


_MP3_QUALITY = Annotated[str, Choice("V0", "128k", "320k")]
_OPUS_QUALITY = Annotated[str, Choice("64k", "96k", "128k", "192k", "320k")]
_FORMATS: Mapping[str, Mapping[str, Given]] = {
    "flac": {},
    "mp3": {"quality": Given(_MP3_QUALITY, "V0")},
    "opus": {"quality": Given(_OPUS_QUALITY, "128k")},
}


class Channels(NamedTuple):
    """The two channels of a stereo sound."""

    left: Sound
    right: Sound


def _recorded(ctx: Context, name: str) -> Path:
    if not isinstance(name, str) or not name.strip():
        raise InputInvalid(
            "there is no recording, and nothing is recorded here",
            input="audio",
            remedy="record in the user interface before the job is sent, or upload a sound and use LoadAudio",
        )
    return ctx.folders.find_input(name)


def _recording(ctx: Context, *, audio: str) -> str | None:
    """What the sound depends on: its file."""
    return file_fingerprint(_recorded(ctx, audio)) if isinstance(audio, str) and audio.strip() else None


@node("LoadAudio", category="audio", display_name="Load Audio", aside=True)
def load_audio(ctx: Context, *, audio: Annotated[str, FileChoice("input", upload="audio")]) -> Audio:
    """The sound of a sound or film file in the input folder: float[1, channels, samples]."""
    return media.sound.read(ctx.folders.find_input(audio), ctx)


@node("RecordAudio", category="audio", display_name="Record Audio", aside=True, fingerprint=_recording)
def record_audio(ctx: Context, *, audio: Annotated[str, Edited("AUDIO_RECORD")]) -> Audio:
    """What the page of a user interface recorded and uploaded, by its name; nothing is recorded here."""
    return media.sound.read(_recorded(ctx, audio), ctx)


@node("EmptyAudio", category="audio", display_name="Empty Audio", memory=memory.empty_audio)
def empty_audio(
    ctx: Context,
    *,
    duration: Annotated[float, Float(min=0.0, max=_MAX_S, step=0.01)] = 60.0,
    sample_rate: Annotated[int, SAMPLE_RATE] = 44100,
    channels: Annotated[int, Int(min=1, max=2)] = 2,
) -> Audio:
    """Silence of ``duration`` seconds."""
    samples = round(duration * sample_rate)
    if not 0 <= samples <= MAX_SAMPLES or sample_rate <= 0:
        raise InputInvalid(f"{duration} s at {sample_rate} Hz is not possible", input="duration")
    return Audio(torch.zeros(1, channels, samples), sample_rate)


@node(
    "TrimAudioDuration",
    category="audio",
    display_name="Trim Audio Duration",
    search_aliases=("cut audio", "audio clip", "shorten audio"),
)
def trim_duration(
    ctx: Context,
    *,
    audio: Sound,
    start_index: Annotated[float, Float(min=-_MAX_S, max=_MAX_S, step=0.01)] = 0.0,
    duration: Annotated[float, Float(min=0.0, step=0.01)] = 60.0,
) -> Sound:
    """``duration`` seconds from second ``start_index`` on, which counts from the end where negative."""
    if audio is None or not audio.waveform.shape[-1]:
        return audio
    samples, rate_hz = audio.waveform.shape[-1], audio.sample_rate_hz
    start = round(start_index * rate_hz) + (samples if start_index < 0 else 0)
    start = max(0, min(start, samples))
    end = min(start + round(duration * rate_hz), samples)
    if start >= end:
        late = start == samples
        raise InputInvalid(
            f"nothing is left of the sound, which lasts {samples / rate_hz:.2f} s",
            input="start_index" if late else "duration",
            remedy="choose an earlier start" if late else "choose a longer duration",
        )
    return Audio(audio.waveform[..., start:end], rate_hz)


@node("SplitAudioChannels", category="audio", display_name="Split Audio Channels")
def split_channels(ctx: Context, *, audio: Sound) -> Channels:
    """Left and right, each as a sound of one channel."""
    if audio is None:
        return Channels(None, None)
    if audio.waveform.shape[1] != 2:
        raise InputInvalid(f"the sound has {audio.waveform.shape[1]} channels, not 2", input="audio")
    left, right = (Audio(audio.waveform[:, i : i + 1], audio.sample_rate_hz) for i in range(2))
    return Channels(left, right)


@node("AudioConcat", category="audio", display_name="Audio Concat", memory=memory.two_sounds)
def concatenate(
    ctx: Context, *, audio1: Sound, audio2: Sound, direction: Annotated[str, Choice("after", "before")] = "after"
) -> Sound:
    """The second sound after (or before) the first, in stereo, at the higher sample rate."""
    if audio1 is None or audio2 is None:
        return audio1 or audio2
    first, second, rate_hz = same_rate(audio1, audio2)
    parts = [part.expand(-1, 2, -1) if part.shape[1] == 1 else part for part in (first, second)]
    if direction == "before":
        parts.reverse()
    return Audio(torch.cat(parts, dim=-1), rate_hz)


@node("AudioMerge", category="audio", display_name="Audio Merge", memory=memory.two_sounds)
def merge(
    ctx: Context,
    *,
    audio1: Sound,
    audio2: Sound,
    merge_method: Annotated[str, Choice("add", "mean", "subtract", "multiply")],
) -> Sound:
    """Both at once, for the length of the first; made quieter where it would exceed 1."""
    if audio1 is None or audio2 is None:
        return audio1 or audio2
    first, second, rate_hz = same_rate(audio1, audio2)
    missing = max(0, first.shape[-1] - second.shape[-1])
    second = torch.nn.functional.pad(second, (0, missing))[..., : first.shape[-1]]
    if merge_method == "multiply":
        mixed = first * second
    else:
        mixed = first - second if merge_method == "subtract" else first + second
    if merge_method == "mean":
        mixed = mixed / 2
    peak = mixed.abs().max().clamp(min=1.0) if mixed.numel() else 1.0
    return Audio(mixed / peak, rate_hz)


@node("AudioAdjustVolume", category="audio", display_name="Audio Adjust Volume")
def adjust_volume(ctx: Context, *, audio: Sound, volume: Annotated[int, Int(min=-100, max=100)] = 1) -> Sound:
    """Louder by ``volume`` decibels, or quieter where negative."""
    return None if audio is None else Audio(audio.waveform * 10 ** (volume / 20), audio.sample_rate_hz)


@node(
    "SaveAudio",
    category="audio",
    display_name="Save Audio (FLAC)",
    output_node=True,
    aside=True,
    deprecated=True,
    output_names=("audio",),
)
def save_flac(ctx: Context, *, audio: Sound, filename_prefix: Prefix = "audio/ComfyUI") -> Sound:
    """FLAC files in the output folder, without loss (24 bits, or 16 where those hold all). The sound is handed on."""
    return _save(ctx, audio, ctx.files(filename_prefix), "flac")


@node(
    "SaveAudioMP3",
    category="audio",
    display_name="Save Audio (MP3)",
    output_node=True,
    aside=True,
    deprecated=True,
    output_names=("audio",),
)
def save_mp3(
    ctx: Context,
    *,
    audio: Sound,
    filename_prefix: Prefix = "audio/ComfyUI",
    quality: _MP3_QUALITY = "V0",
) -> Sound:
    """MP3 files in the output folder: variable bit rate (V0) or so many bits a second. The sound is handed on."""
    return _save(ctx, audio, ctx.files(filename_prefix), "mp3", quality)


@node(
    "SaveAudioOpus",
    category="audio",
    display_name="Save Audio (Opus)",
    output_node=True,
    aside=True,
    deprecated=True,
    output_names=("audio",),
)
def save_opus(
    ctx: Context,
    *,
    audio: Sound,
    filename_prefix: Prefix = "audio/ComfyUI",
    quality: _OPUS_QUALITY = "128k",
) -> Sound:
    """Opus files in the output folder, of so many bits a second. The sound is handed on."""
    return _save(ctx, audio, ctx.files(filename_prefix), "opus", quality)


@node(
    "SaveAudioAdvanced",
    category="audio",
    display_name="Save Audio (Advanced)",
    output_node=True,
    aside=True,
    output_names=("audio",),
    search_aliases=("save audio", "export audio", "output audio", "write audio", "flac", "mp3", "opus"),
)
def save_audio(
    ctx: Context,
    *,
    audio: Sound,
    filename_prefix: Prefix = "audio/ComfyUI",
    format: Annotated[Mapping[str, Any], DynamicChoice(_FORMATS)],
) -> Sound:
    """FLAC, MP3 or Opus files in the output folder. The sound is handed on."""
    return _save(ctx, audio, ctx.files(filename_prefix), format["format"], format.get("quality", ""))


@node(
    "PreviewAudio",
    category="audio",
    display_name="Preview Audio",
    output_node=True,
    aside=True,
    output_names=("audio",),
)
def preview_audio(ctx: Context, *, audio: Sound) -> Sound:
    """FLAC files in the temp folder. The sound is handed on."""
    return _save(ctx, audio, ctx.temp_files(), "flac")


def _save(ctx: Context, audio: Audio | None, series: Series, kind: str, quality: str = "") -> Audio:
    audio = sound_of(audio, "save")
    for waveform in audio.waveform:
        ctx.check_cancelled()
        write = partial(
            media.sound_files.write,
            waveform=waveform,
            rate_hz=audio.sample_rate_hz,
            kind=kind,
            quality=quality,
            texts={},
            run=ctx,
        )
        ctx.show("audio", series.save(f".{kind}", _MEDIA_TYPES[kind], write, streams.embed(kind)))
    return audio


def sound_of(audio: Audio | None, purpose: str) -> Audio:
    """The sound, which a film may not have. Raises ``InputInvalid`` where it is not there to ``purpose``."""
    if audio is None:
        raise InputInvalid(
            f"there is no sound to {purpose}: the film that it comes from has none",
            input="audio",
            remedy="use a film with sound, or leave this node out",
        )
    return audio


def same_rate(first: Audio, second: Audio) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Both waveforms at the higher of their sample rates, and that rate."""
    rate_hz = max(first.sample_rate_hz, second.sample_rate_hz)
    return (
        media.sound_files.resample(first.waveform, first.sample_rate_hz, rate_hz),
        media.sound_files.resample(second.waveform, second.sample_rate_hz, rate_hz),
        rate_hz,
    )
