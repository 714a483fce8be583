"""Sound: joining channels, and an equalizer."""

from __future__ import annotations

from typing import Annotated

from engine.context import Context
from engine.errors import InputInvalid
from engine.inputs import Float, Int
from engine.registry import node
from nodes import media, memory
from nodes.audio import Sound, same_rate

_Gain = Annotated[float, Float(min=-24.0, max=24.0, step=0.1)]


@node(
    "JoinAudioChannels",
    category="audio",
    display_name="Join Audio Channels",
    memory=memory.two_channels,
    output_names=("audio",),
)
def join_channels(ctx: Context, *, audio_left: Sound, audio_right: Sound) -> Sound:
    """Two sounds of one channel as one in stereo, at the higher sample rate and as long as the shorter."""
    if audio_left is None or audio_right is None:
        return audio_left or audio_right
    for name, side in (("audio_left", audio_left), ("audio_right", audio_right)):
        if side.waveform.shape[1] != 1:
            raise InputInvalid(
                f"the sound has {side.waveform.shape[1]} channels, not 1",
                input=name,
                remedy="take one of its channels by SplitAudioChannels",
            )
    left, right, rate_hz = same_rate(audio_left, audio_right)
    return media.sound_filters.stereo(left, right, rate_hz)


@node("AudioEqualizer3Band", category="audio", display_name="Audio Equalizer (3-Band)", experimental=True)
def equalize(
    ctx: Context,
    *,
    audio: Sound,
    low_gain_dB: _Gain = 0.0,
    low_freq: Annotated[int, Int(min=20, max=500)] = 100,
    mid_gain_dB: _Gain = 0.0,
    mid_freq: Annotated[int, Int(min=200, max=4000)] = 1000,
    mid_q: Annotated[float, Float(min=0.1, max=10.0, step=0.1)] = 0.707,
    high_gain_dB: _Gain = 0.0,
    high_freq: Annotated[int, Int(min=1000, max=15000)] = 5000,
) -> Sound:
    """Bass (below ``low_freq``), a band around ``mid_freq`` and treble (above ``high_freq``, Hz) by so many decibels.

    What exceeds 1 is clipped. A band that lies above all that the sample rate can hold is left out, with a note.
    """
    if audio is None:
        return None
    Band = media.sound_filters.Band
    bands = [
        Band("bass", low_freq, low_gain_dB),
        Band("middle", mid_freq, mid_gain_dB, mid_q),
        Band("treble", high_freq, high_gain_dB),
    ]
    return media.sound_filters.equalized(audio, bands, ctx)
