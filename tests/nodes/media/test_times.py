"""Frames are shown when their times say, and sound stands beside them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from benchmarks.media.films import Film, frame_number, numbered, onset_s, tone
from nodes.media import clock, film, images, sound
from tests.nodes.media.conftest import Listener


def numbers(path: Path) -> list[int]:
    return [frame_number(picture) for picture in images.image_of(film.look(path), "sdr").pixels]


def heard(path: Path) -> tuple[float, float]:
    """(onset, length) in seconds of the sound that stands beside the pictures."""
    audio = film.look(path).audio()
    assert audio is not None
    rate_hz = audio.sample_rate_hz
    return onset_s(audio.waveform, rate_hz), audio.waveform.shape[-1] / rate_hz


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
@pytest.mark.parametrize("rate", [Fraction(24000, 1001), Fraction(30000, 1001), Fraction(12), Fraction(60)])
def test_exact_rates(tmp_path: Path, name: str, rate: Fraction) -> None:
    found = film.look(Film(rate=rate, frames=30).write(tmp_path / name))
    assert (found.clock.rate, found.count, found.clock.even) == (rate, 30, True)


def test_sound_that_starts_long_before_the_picture_is_kept(tmp_path: Path) -> None:
    for name in ("a.mp4", "a.mkv"):
        path = Film(shift_s=0.52, sound=tone(), pixels=numbered).write(tmp_path / name)
        _, length = heard(path)
        assert length == pytest.approx(1.0, abs=0.025), "ComfyUI 0.33.0 has all of it, we had 0.6 s"
        # The first picture is held until the others come, so that sound and pictures stay together.
        assert numbers(path) == [0] * 13 + list(range(25))


def test_sound_that_starts_just_before_the_picture_is_a_codec_s_delay(tmp_path: Path) -> None:
    path = Film(shift_s=0.08, sound=tone(), pixels=numbered).write(tmp_path / "a.mp4")
    onset, _ = heard(path)
    assert onset == pytest.approx(0.42, abs=0.005)
    assert numbers(path) == list(range(25))


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.webm"])
def test_sound_that_starts_late_has_silence_before_it(tmp_path: Path, name: str) -> None:
    webm = name.endswith("webm")
    made = Film(sound=tone(), sound_shift_s=0.478, sound_codec="libopus" if webm else "aac")
    if webm:
        made.codec = "libvpx-vp9"
    onset, length = heard(made.write(tmp_path / name))
    assert onset == pytest.approx(0.978, abs=0.03)
    assert length == pytest.approx(1.478, abs=0.03)


def test_reordered_frames_without_an_edit_list(tmp_path: Path) -> None:
    fragmented = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "use_editlist": "0"}
    made = Film(sound=tone(), options={"bf": "2"}, container_options=fragmented, pixels=numbered)
    onset, _ = heard(made.write(tmp_path / "a.mp4"))
    assert onset == pytest.approx(0.441, abs=0.03), "as the ffmpeg program plays it; it was 80 ms late"


def test_a_transport_stream(tmp_path: Path) -> None:
    path = Film(sound=tone(), options={"bf": "2"}, pixels=numbered).write(tmp_path / "a.ts")
    onset, _ = heard(path)
    assert onset == pytest.approx(0.5, abs=0.03)
    assert numbers(path) == list(range(25))


def test_a_variable_rate_keeps_its_length_and_its_pace(tmp_path: Path) -> None:
    shown_at = [0, 1, 2, 3, 7, 8, 9, 14, 15, 16, 17, 20, 21, 22, 24]
    path = Film(times=[place / 25 for place in shown_at], pixels=numbered).write(tmp_path / "a.mkv")
    found = film.look(path)
    assert found.clock.rate == 25
    assert found.count / found.clock.rate == 1
    last = [max(i for i, at in enumerate(shown_at) if at <= place) for place in range(25)]
    assert numbers(path) == last


def test_a_recorder_s_times_jitter_around_a_rate_that_no_header_says(tmp_path: Path) -> None:
    jitter = [0, 7, -9, 12, 3, -4, 15, -11, 0, 8]
    times = [place / 25 + jitter[place % 10] / 1000 for place in range(25)]
    made = Film(times=[time - times[0] for time in times], rate=Fraction(1000), codec="libvpx-vp9", pixels=numbered)
    path = made.write(tmp_path / "a.webm")
    assert film.look(path).clock.rate == 25
    assert numbers(path) == list(range(25))


@pytest.mark.parametrize(
    ("codec", "suffix"), [("aac", "m4a"), ("aac", "mp4"), ("libopus", "opus"), ("libmp3lame", "mp3")]
)
def test_what_an_encoder_fills_its_last_block_with_is_cut(tmp_path: Path, codec: str, suffix: str) -> None:
    import av

    path = tmp_path / f"a.{suffix}"
    samples = tone(channels=2)
    with av.open(str(path), "w", options={"strict": "experimental"}) as out:
        track = out.add_stream(codec, rate=48000, layout="stereo")
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="stereo")
        frame.sample_rate, frame.pts = 48000, 0
        out.mux([*track.encode(frame), *track.encode(None)])
    audio = sound.read(path)
    assert audio.waveform.shape == (1, 2, 48000)
    assert onset_s(audio.waveform, 48000) == pytest.approx(0.5, abs=0.005)


def test_one_damaged_packet_costs_what_is_in_it(tmp_path: Path, run: Listener) -> None:
    path = spoiled(Film(pixels=numbered, options={"g": "5"}).write(tmp_path / "a.mp4"), kind="video", number=12)
    found = [frame_number(p) for p in images.image_of(film.look(path), "sdr", run).pixels]
    assert 20 <= len(found) <= 24
    assert set(range(12)) <= set(found)
    assert any("damaged packet" in note and str(tmp_path) not in note for note in run.notes)


def test_beside_sound_a_damaged_frame_s_place_shows_the_one_before(tmp_path: Path, run: Listener) -> None:
    made = Film(pixels=numbered, options={"g": "5"}, sound=tone())
    path = spoiled(made.write(tmp_path / "a.mp4"), kind="video", number=12)
    assert len(images.image_of(film.look(path), "sdr", run).pixels) == 25


def test_a_damaged_packet_of_sound_is_silence(tmp_path: Path, run: Listener) -> None:
    path = spoiled(Film(sound=tone(onset_s=0)).write(tmp_path / "a.mp4"), kind="audio", number=20)
    audio = film.look(path).audio(run)
    assert audio is not None
    assert audio.waveform.shape[-1] == 48000
    assert any("sound left out" in note for note in run.notes)


def spoiled(path: Path, kind: str, number: int) -> Path:
    """The file with zeros in one packet's place."""
    import av

    with av.open(str(path)) as container:
        packets = [p for p in container.demux() if p.stream.type == kind and p.size]
        packet = packets[number]
        position, size = packet.pos, packet.size
    data = bytearray(path.read_bytes())
    filler = b"\xff" if kind == "audio" else b"\x00"
    data[position : position + size] = filler * size
    path.write_bytes(data)
    return path


def test_rounded_rates_are_what_they_mean() -> None:
    assert clock.exact_rate(23.976) == Fraction(24000, 1001)
    assert clock.exact_rate(29.97) == Fraction(30000, 1001)
    assert clock.exact_rate(59.94) == Fraction(60000, 1001)
    assert [clock.exact_rate(fps) for fps in (24.0, 25.0, 12.5, 1 / 3)] == [24, 25, Fraction(25, 2), Fraction(1, 3)]


@pytest.mark.parametrize("stated", [[], [Fraction(10**9)], [Fraction(0)], [Fraction(1, 10**9)]])
def test_absurd_headers_do_not_count(stated: list[Fraction]) -> None:
    found = clock.read_times([i * 40 - 5000 for i in range(10)], 40, Fraction(1, 1000), stated)
    assert (found.rate, found.count, found.start_s) == (25, 10, -5)
