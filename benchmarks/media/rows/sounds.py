"""Rows for sound files: containers, codecs, depths, what encoders add, chains, covers."""

from __future__ import annotations

from benchmarks.media.row import Row, sound
from benchmarks.media.sounds import Sound, chained
from benchmarks.media.spoiling import cut


def sound_rows() -> list[Row]:
    """All of them."""
    return [*_plain(), *_coded(), *_ogg(), *_odd()]


def _plain() -> list[Row]:
    kinds = {
        "WAV of 16 bits": ("s16.wav", "pcm_s16le"),
        "WAV of 8 bits": ("u8.wav", "pcm_u8"),
        "WAV of 24 bits": ("s24.wav", "pcm_s24le"),
        "WAV of floats": ("float.wav", "pcm_f32le"),
        "WAV of a telephone": ("mulaw.wav", "pcm_mulaw"),
        "AIFF": ("a.aiff", "pcm_s16be"),
        "CAF": ("a.caf", "pcm_s16le"),
        "AU": ("a.au", "pcm_s16be"),
        "upper-case suffix": ("VOICE.WAV", "pcm_s16le"),
    }
    return [sound(name, file, Sound(codec)) for name, (file, codec) in kinds.items()]


def _coded() -> list[Row]:
    kinds = {
        "MP3": ("a.mp3", "libmp3lame", None),
        "M4A": ("a.m4a", "aac", "ipod"),
        "audio book": ("a.m4b", "aac", "ipod"),
        "Apple lossless": ("alac.m4a", "alac", "ipod"),
        "FLAC": ("a.flac", "flac", None),
        "WMA": ("a.wma", "wmav2", "asf"),
        "AC-3": ("a.ac3", "ac3", None),
        "AAC without a container": ("a.aac", "aac", "adts"),
        "WavPack": ("a.wv", "wavpack", None),
        "True Audio": ("a.tta", "tta", None),
        "Matroska": ("a.mka", "libopus", "matroska"),
        "WEBM": ("voice.webm", "libopus", None),
    }
    # Without a container nothing says how long the sound is: the encoder's delay and last block stay.
    slack = {"a.ac3": 0.06, "a.aac": 0.06, "a.wma": 0.06}
    return [
        Row(row.name, row.file, row.make, row.expected, {"sound_s": slack.get(file, 0.03), "onset_s": 0.06}, "sound")
        for name, (file, codec, form) in kinds.items()
        for row in [sound(name, file, Sound(codec, form, options={"b": "128000"} if codec == "wmav2" else {}))]
    ]


def _ogg() -> list[Row]:
    return [
        sound("Opus", "a.opus", Sound("libopus")),
        sound("Opus in Ogg", "opus.ogg", Sound("libopus", "ogg")),
        sound("Opus in Ogg, from 2.5 s on", "late_opus.ogg", Sound("libopus", "ogg", shift_s=2.5)),
        sound("Vorbis", "vorbis.ogg", Sound("vorbis", "ogg")),
        sound("Vorbis from 2.5 s on", "late_vorbis.ogg", Sound("vorbis", "ogg", shift_s=2.5)),
        sound("FLAC in Ogg", "flac.oga", Sound("flac", "ogg")),
        *(
            Row(
                f"chained Ogg, {codec}",
                f"chain_{codec}.ogg",
                chained(made),
                {"sound_s": 2.0, "onset_s": 0.5},
                kind="sound",
            )
            for codec in ("libopus", "vorbis", "flac")
            for made in [Sound(codec, "ogg")]
        ),
    ]


def _odd() -> list[Row]:
    return [
        sound("MP3 with a cover", "cover.mp3", Sound("libmp3lame", cover=True)),
        sound("one channel", "mono.m4a", Sound("aac", "ipod", channels=1)),
        sound("4 channels", "quad.wav", Sound("pcm_s16le", channels=4)),
        sound("5.1 in FLAC", "six.flac", Sound("flac", channels=6)),
        sound("5.1 in Opus", "six.opus", Sound("libopus", channels=6)),
        sound("96 kHz", "fine.flac", Sound("flac", rate_hz=96000)),
        sound("11.025 kHz", "coarse.wav", Sound("pcm_s16le", rate_hz=11025)),
        Row("MP3 cut off", "cut.mp3", cut(Sound("libmp3lame").write, 0.8), {"onset_s": 0.5}, kind="sound"),
        Row("WAV cut off", "cut.wav", cut(Sound("pcm_s16le").write, 0.75), {"sound_s": 0.75}, kind="sound"),
        Row(
            "Ogg cut off", "cut.ogg", cut(Sound("libopus", "ogg", seconds=4).write, 0.6), {"onset_s": 0.5}, kind="sound"
        ),
    ]
