"""Rows for how films are shaped: turns, pixel shapes, times, tracks, and sound beside pictures."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

from benchmarks.media.films import Film, numbered, patches, tone
from benchmarks.media.row import TURNED, UPRIGHT, Row, film
from benchmarks.media.spoiling import spoiled, without_decoder

_ONE = 65536
_WEBM: dict[str, Any] = {"codec": "libvpx-vp9", "sound_codec": "libopus", "options": {"deadline": "realtime"}}
_X265 = {"codec": "libx265", "options": {"x265-params": "log-level=none:bframes=0"}}


def film_rows() -> list[Row]:
    """All of them."""
    return [*_turns(), *_containers(), *_sounds(), *_times(), *_tracks()]


def _turns() -> list[Row]:
    matrices = {
        "turned by 90": ((0, -_ONE, _ONE, 0), (96, 128), TURNED[8]),
        "turned by 180": ((-_ONE, 0, 0, -_ONE), (128, 96), TURNED[3]),
        "turned by 270": ((0, _ONE, -_ONE, 0), (96, 128), TURNED[6]),
        "mirrored": ((-_ONE, 0, 0, _ONE), (128, 96), TURNED[2]),
        "on its head": ((_ONE, 0, 0, -_ONE), (128, 96), TURNED[4]),
        "turned and mirrored": ((0, _ONE, _ONE, 0), (96, 128), TURNED[5]),
    }
    made = []
    for name, ((a, b, c, d), size, corners) in matrices.items():
        matrix = (a, b, 0, c, d, 0, 0, 0, 1 << 30)
        film_ = Film(frames=5, prepare=lambda stream, m=matrix: stream.set_display_matrix(m))  # type: ignore[misc]
        made.append(film(name, f"{name}.mp4", {"size": size, "corners": corners}, film_))
    turn = (0, -_ONE, 0, _ONE, 0, 0, 0, 0, 1 << 30)
    prores: dict[str, Any] = {"codec": "prores_ks", "pixel_format": "yuv422p10le", "matrix": "bt709"}
    upright = {"size": (96, 128), "corners": TURNED[8]}
    for name, file, more in (("ProRes", "turned.mov", prores), ("HEVC", "turned_hevc.mp4", _X265)):
        made.append(film(f"{name}, turned", file, upright, Film(2, prepare=_turning(turn), **more)))
    made.append(film("pixels of 4:3", "sar.mp4", {"size": (170, 96)}, Film(3, prepare=_wide(Fraction(4, 3)))))
    made.append(film("pixels of 8:9", "sar.mkv", {"size": (114, 96)}, Film(3, prepare=_wide(Fraction(8, 9)))))
    return made


def _turning(matrix: tuple[int, ...]) -> Any:
    return lambda stream: stream.set_display_matrix(matrix)


def _wide(aspect: Fraction) -> Any:
    def prepare(stream: Any) -> None:
        stream.codec_context.sample_aspect_ratio = aspect

    return prepare


def _containers() -> list[Row]:
    whole = {"frames": 25, "length_s": 1.0, "onset_s": 0.5, "sound_s": 1.0}
    mpeg2 = {"codec": "mpeg2video", "sound_codec": "mp2"}
    made: list[tuple[str, str, dict[str, Any]]] = [
        ("MP4", "plain.mp4", {}),
        ("QuickTime, PCM", "plain.mov", {"sound_codec": "pcm_s16le"}),
        ("Matroska", "plain.mkv", {}),
        ("WEBM", "plain.webm", _WEBM),
        ("AVI", "plain.avi", {"codec": "mjpeg", "pixel_format": "yuvj420p", "sound_codec": "libmp3lame"}),
        ("Flash", "plain.flv", {"sound_codec": "aac"}),
        ("3GP", "plain.3gp", {}),
        ("M4V", "plain.m4v", {}),
        ("upper-case suffix", "PHONE.MOV", {}),
        ("transport stream of a camera", "plain.mts", {"sound_codec": "ac3", "container": "mpegts"}),
        ("programme stream", "plain.mpg", mpeg2),
        (
            "WMV",
            "plain.wmv",
            {"codec": "wmv2", "container": "asf", "sound_codec": "wmav2", "sound_options": {"b": "128000"}},
        ),
        ("MP4 in pieces", "pieces.mp4", {"container_options": {"movflags": "frag_keyframe+empty_moov"}}),
    ]
    # FFmpeg leaves the second place of an AVI empty.
    slack = {"sound_s": 0.06, "frames": 1}
    return [film(name, file, whole, Film(sound=tone(channels=2), **more), **slack) for name, file, more in made]


def _sounds() -> list[Row]:
    pieces = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "use_editlist": "0"}
    early, late = {"sound_s": 1.0, "frames": 38}, {"onset_s": 0.978}
    frames_early, sound_late = Film(shift_s=0.52, sound=tone()), Film(sound=tone(), sound_shift_s=0.478)
    return [
        film("sound 0.52 s before the picture", "early.mp4", early, frames_early),
        film("the same, Matroska", "early.mkv", early, frames_early),
        film(
            "a browser's, sound 0.3 s early", "early.webm", {"sound_s": 1.0}, Film(shift_s=0.3, sound=tone(), **_WEBM)
        ),
        film("sound 0.478 s late", "late.mp4", late, sound_late),
        film("the same, Matroska", "late.mkv", late, sound_late),
        film("WEBM, sound late", "late.webm", late, Film(sound=tone(), sound_shift_s=0.478, **_WEBM)),
        film("transport stream", "plain.ts", {"onset_s": 0.5, "frames": 25}, Film(sound=tone(), options={"bf": "2"})),
        film(
            "B-frames, pieces, no edit list",
            "pieces_b.mp4",
            {"onset_s": 0.441},
            Film(sound=tone(), options={"bf": "2"}, container_options=pieces),
        ),
        film("sound of 4 channels", "four.mkv", {"channels": 4}, Film(sound=tone(channels=4), sound_codec="flac")),
        film("sound of 5.1", "six.mp4", {"channels": 6}, Film(sound=tone(channels=6))),
        film("no sound", "silent.mp4", {"sound_s": 0.0, "frames": 25}, Film()),
        film("sound longer than the pictures", "longer.mp4", {"sound_s": 2.0, "frames": 25}, Film(sound=tone(2.0))),
    ]


def _times() -> list[Row]:
    uneven = [0, 1, 2, 3, 7, 8, 9, 14, 15, 16, 17, 20, 21, 22, 24]
    shown = [max(i for i, at in enumerate(uneven) if at <= place) for place in range(25)]
    jitter = [0, 7, -9, 12, 3, -4, 15, -11, 0, 8]
    recorded = [max(0.0, place / 25 + jitter[place % 10] / 1000) for place in range(25)]
    webm = Film(times=recorded, rate=Fraction(1000), codec="libvpx-vp9", pixels=numbered)
    evened = {"length_s": 1.0, "rate": 25.0, "numbers": shown}
    rates = [Fraction(24000, 1001), Fraction(30000, 1001), Fraction(60000, 1001), Fraction(60), Fraction(25, 2)]
    return [
        *(
            film(
                f"{float(rate):.3f} a second",
                f"rate_{rate.numerator}.mp4",
                {"rate": float(rate), "frames": 12, "length_s": float(12 / rate)},
                Film(frames=12, rate=rate),
                rate=1e-9,
            )
            for rate in rates
        ),
        *(
            film(
                f"uneven times, {form}", f"uneven.{form}", evened, Film(times=[t / 25 for t in uneven], pixels=numbered)
            )
            for form in ("mkv", "mp4")
        ),
        film("a recorder's times", "recorder.webm", {"length_s": 1.0, "numbers": list(range(25))}, webm),
        film("B-frames", "reordered.mp4", {"numbers": list(range(25))}, Film(options={"bf": "3"}, pixels=numbered)),
        film("a single frame", "single.mp4", {"frames": 1, "corners": UPRIGHT}, Film(frames=1)),
        film("times from an hour on", "hour.mkv", {"frames": 25, "onset_s": 0.5}, _from(3600.0)),
        film("times before zero", "before.mkv", {"frames": 10, "rate": 25.0}, Film(frames=10, shift_s=-5)),
        film("a rate of 10^9 in the header", "fast.mkv", {"frames": 3}, Film(frames=3, rate=Fraction(10**9))),
    ]


def _from(start_s: float) -> Film:
    return Film(sound=tone(), shift_s=start_s, sound_shift_s=start_s)


def _tracks() -> list[Row]:
    phone = Film(sound=tone(), sound_codec="pcm_s16le")
    damaged = Film(pixels=numbered, options={"g": "5"})
    sounding = Film(sound=tone(onset_s=0), pixels=numbered)
    return [
        Row("sound of an unknown kind", "spatial.mov", without_decoder(phone), {"frames": 25, "sound_s": 0.0}),
        Row("a damaged packet", "damaged.mp4", spoiled(damaged, "video", 12), {"frames": 23}, {"frames": 1}),
        Row("a damaged packet of sound", "noise.mp4", spoiled(sounding, "audio", 20), {"frames": 25, "sound_s": 1.0}),
        Row("two tracks of sound: the first", "two.mkv", _two_tracks, {"onset_s": 0.5, "channels": 1}),
        Row("smaller in mid-film", "smaller.ts", joined((64, 48)), {"size": (128, 96), "corners": UPRIGHT}),
        Row("larger in mid-film", "larger.ts", joined((256, 192)), {"size": (128, 96), "corners": UPRIGHT}),
    ]


def _two_tracks(path: Path) -> None:
    import av

    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        tracks = [out.add_stream("flac", rate=48000, layout=layout) for layout in ("mono", "stereo")]
        for channels, track in enumerate(tracks, start=1):
            samples = tone(onset_s=0.5 if channels == 1 else 0.2, channels=channels)
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=track.layout.name)
            frame.sample_rate, frame.pts = 48000, 0
            out.mux([*track.encode(frame), *track.encode(None)])
        for _ in range(5):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(patches(), format="rgb24")))
        out.mux(stream.encode(None))


def joined(second: tuple[int, int]) -> Any:
    """Two recordings joined, as a camera does it whose size is changed."""

    def make(path: Path) -> None:
        parts = [Film(frames=5, size=size).write(path).read_bytes() for size in ((128, 96), second)]
        path.write_bytes(b"".join(parts))

    return make
