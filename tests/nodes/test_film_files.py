"""Films by the nodes of ComfyUI-VideoHelperSuite: which pictures are taken, what is written, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import pytest
import torch
from PIL import Image as Pillow

from benchmarks.media.films import HEIGHT, WIDTH, Film, frame_number, numbered, onset_s, tone
from engine.context import Context
from engine.errors import InputInvalid, ModelMissing
from engine.types import Audio, Image
from nodes import film_files as nodes
from nodes.media import film, images, picking
from nodes.values import Latent
from tests.nodes.saving import paths

FRAMES = Image(torch.linspace(0.1, 0.9, 6)[:, None, None, None].expand(6, 32, 48, 3).contiguous())


@pytest.fixture
def name(ctx: Context) -> str:
    """A second of 25 numbered pictures, with a tone from its half on."""
    Film(pixels=numbered, sound=tone(), options={"bf": "2"}).write(ctx.folders.input / "film.mp4")
    return "film.mp4"


def numbers(loaded: nodes.LoadedFilm) -> list[int]:
    return [frame_number(picture) for picture in loaded.images.pixels]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, list(range(25))),
        ({"frame_load_cap": 4}, [0, 1, 2, 3]),
        ({"skip_first_frames": 20}, [20, 21, 22, 23, 24]),
        ({"select_every_nth": 10}, [0, 10, 20]),
        ({"skip_first_frames": 3, "select_every_nth": 5, "frame_load_cap": 2}, [3, 8]),
        ({"force_rate": 12.5}, list(range(0, 25, 2))),
        ({"force_rate": 50.0, "frame_load_cap": 5}, [0, 1, 1, 2, 2]),
        ({"force_rate": 10.0}, [0, 3, 5, 8, 10, 13, 15, 18, 20, 23]),
        ({"format": "Wan", "frame_load_cap": 16}, list(range(13))),
        ({"format": "Mochi"}, list(range(25))),
    ],
)
def test_which_pictures_are_taken(ctx: Context, name: str, given: dict[str, Any], expected: list[int]) -> None:
    loaded = nodes.load_film(ctx, video=name, **given)
    assert numbers(loaded) == expected
    assert loaded.frame_count == len(expected)
    assert numbers(nodes.load_film_by_path(ctx, video=f"input/{name}", **given)) == expected


@pytest.mark.parametrize(
    ("given", "size"),
    [
        ({}, (WIDTH, HEIGHT)),
        ({"custom_width": 64}, (64, 48)),
        ({"custom_height": 48}, (64, 48)),
        ({"custom_width": 50, "custom_height": 50}, (50, 50)),
        ({"custom_width": 50, "custom_height": 50, "format": "AnimateDiff"}, (48, 48)),
        ({"format": "LTXV"}, (128, 96)),
        ({"custom_width": 100, "format": "LTXV"}, (96, 64)),
    ],
)
def test_their_size(ctx: Context, name: str, given: dict[str, Any], size: tuple[int, int]) -> None:
    loaded = nodes.load_film(ctx, video=name, frame_load_cap=9, **given)
    assert images.size_of(loaded.images) == size
    facts = loaded.video_info
    assert (facts["source_width"], facts["source_height"]) == (WIDTH, HEIGHT)
    assert (facts["loaded_width"], facts["loaded_height"]) == size
    assert numbers(loaded) == list(range(9))


def test_the_sound_beside_them_and_what_is_known(ctx: Context, name: str) -> None:
    loaded = nodes.load_film(ctx, video=name, skip_first_frames=10, frame_load_cap=5, select_every_nth=2)
    assert loaded.audio is not None
    assert onset_s(loaded.audio.waveform, 48000) == pytest.approx(0.1, abs=0.03)
    assert loaded.audio.waveform.shape[-1] / 48000 == pytest.approx(0.4, abs=0.01)
    info = nodes.all_info(ctx, video_info=loaded.video_info)
    assert (info.source_fps, info.source_frame_count, info.source_duration) == (25.0, 25, 1.0)
    assert nodes.loaded_info(ctx, video_info=loaded.video_info) == (12.5, 5, 0.4, WIDTH, HEIGHT)
    assert nodes.source_info(ctx, video_info=loaded.video_info).width == WIDTH
    Film(frames=3).write(ctx.folders.input / "silent.mp4")
    assert nodes.load_film(ctx, video="silent.mp4").audio is None


def test_long_films_stay_in_their_files(ctx: Context, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "IN_MEMORY_BYTES", 0)
    loaded = nodes.load_film(ctx, video=name, skip_first_frames=5, frame_load_cap=3)
    assert isinstance(loaded.images, images.FilmImage)
    assert numbers(loaded) == [5, 6, 7]


def test_what_cannot_be_loaded(ctx: Context, name: str, tmp_path: Path) -> None:
    with pytest.raises(InputInvalid, match="of the film's 25 pictures none is left") as caught:
        nodes.load_film(ctx, video=name, skip_first_frames=25)
    assert caught.value.remedy
    with pytest.raises(InputInvalid, match="not taken in batches"):
        nodes.load_film(ctx, video=name, meta_batch=object())
    outside = Film(frames=2).write(tmp_path / "outside.mp4")
    others = ("https://example.com/outside.mp4", "../outside.mp4", "C:\\films\\outside.mp4", " ", ".", "./", "input/")
    for path in (str(outside), *others):
        with pytest.raises(InputInvalid, match="is not in the input folder") as caught:
            nodes.load_film_by_path(ctx, video=path)
        assert str(tmp_path) not in str(caught.value)
    with pytest.raises(ModelMissing):
        nodes.load_film_by_path(ctx, video="input/absent.mp4")


@pytest.mark.parametrize(
    ("count", "fps", "rate", "expected"),
    [(3, 25.0, 25.0, [0, 1, 2]), (30, 29.97, 29.97, list(range(30))), (1, 25.0, 60.0, [0]), (4, 30.0, 15.0, [0, 2])],
)
def test_a_rate_that_is_brought_to_another(count: int, fps: float, rate: float, expected: list[int]) -> None:
    assert picking.Picking(rate).places(count, fps) == expected


def saved(ctx: Context) -> Path:
    return paths(ctx, "gifs")[-1]


@pytest.mark.parametrize(
    ("format", "suffix", "codec"),
    [
        ("video/h264-mp4", ".mp4", "h264"),
        ("video/nvenc_h264-mp4", ".mp4", "h264"),
        ("video/h265-mp4", ".mp4", "hevc"),
        ("video/webm", ".webm", "vp9"),
        ("video/av1-webm", ".webm", "av1"),
    ],
)
def test_films_are_written_with_sound_and_texts(ctx: Context, format: str, suffix: str, codec: str) -> None:
    large = Image(FRAMES.pixels.repeat(1, 2, 2, 1))
    sound = Audio(torch.rand(1, 2, 48000) - 0.5, 48000)
    assert nodes.combine(ctx, images=large, frame_rate=12.0, format=format, audio=sound, filename_prefix="a") == (
        True,
        (),
    )
    assert saved(ctx).suffix == suffix
    found = film.look(saved(ctx))
    assert (found.count, found.clock.rate) == (6, 12)
    audio = found.audio()
    assert audio is not None
    assert audio.waveform.shape[-1] / audio.sample_rate_hz == pytest.approx(0.5, abs=0.03)
    with av.open(str(saved(ctx))) as container:
        assert container.streams.video[0].codec.canonical_name == codec
        assert container.streams.video[0].codec_context.codec_tag == "hvc1" or codec != "hevc"
        assert "prompt" in {key.lower() for key in container.metadata}


def test_forth_and_back_several_times_and_with_odd_sides(ctx: Context) -> None:
    odd = Image(FRAMES.pixels[:, :31, :47].contiguous())
    nodes.combine(ctx, images=odd, format="video/h264-mp4", pingpong=True, loop_count=1, crf=5)
    found = film.look(saved(ctx))
    assert (found.count, found.size) == (20, (48, 32))
    levels = images.tensor_of(found, "sdr").mean((1, 2, 3))
    there = torch.linspace(0.1, 0.9, 6)
    once = torch.cat([there, there[1:-1].flip(0)])
    torch.testing.assert_close(levels, once.repeat(2), atol=0.02, rtol=0)


def test_a_film_as_long_as_its_sound(ctx: Context) -> None:
    sound = Audio(torch.zeros(1, 1, 16000), 48000)
    nodes.combine(ctx, images=FRAMES, frame_rate=12.0, format="video/h264-mp4", audio=sound, trim_to_audio=True)
    assert film.look(saved(ctx)).count == 4


@pytest.mark.parametrize(
    ("format", "kind"), [("image/gif", "GIF"), ("image/webp", "WEBP"), ("video/ffmpeg-gif", "GIF")]
)
def test_moving_pictures(ctx: Context, format: str, kind: str) -> None:
    nodes.combine(ctx, images=FRAMES, frame_rate=10.0, format=format, loop_count=3, save_output=False)
    assert saved(ctx).is_relative_to(ctx.folders.temp)
    with Pillow.open(saved(ctx)) as picture:
        assert (picture.format, getattr(picture, "n_frames", 1), picture.info["loop"]) == (kind, 6, 3)
        picture.seek(3)
        picture.load()
        assert picture.info["duration"] == 100
        assert picture.convert("RGB").getpixel((5, 5))[0] == pytest.approx(0.58 * 255, abs=4)


def test_ten_bits_and_no_texts(ctx: Context) -> None:
    nodes.combine(ctx, images=FRAMES, format="video/h264-mp4", pix_fmt="yuv420p10le", save_metadata=False)
    found = film.look(saved(ctx))
    assert found.meaning.bits == 10
    with av.open(str(saved(ctx))) as container:
        assert "prompt" not in container.metadata


def test_latents_need_their_vae(ctx: Context) -> None:
    with pytest.raises(InputInvalid, match="these are latents, not pictures"):
        nodes.combine(ctx, images=Latent(torch.zeros(1, 4, 8, 8)))
