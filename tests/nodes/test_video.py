"""Film nodes."""

from __future__ import annotations

import json
from pathlib import Path

import av
import pytest
import torch

from engine.context import Context
from engine.errors import InputInvalid, ModelMissing
from engine.types import Audio, Image
from nodes import video as nodes
from tests.nodes.saving import PROMPT, files, paths

FRAMES = Image(torch.linspace(0.1, 0.9, 6)[:, None, None, None].expand(6, 32, 48, 3))


AUTO = {"format": "auto", "codec": {"codec": "auto"}}


def saved(ctx: Context) -> Path:
    return paths(ctx)[-1]


def test_film_from_pictures_and_back(ctx: Context) -> None:
    sound = Audio(torch.rand(1, 1, 8000) - 0.5, 16000)
    film = nodes.create_video(ctx, images=FRAMES, fps=12.0, audio=sound)
    assert nodes.save_video(ctx, video=film, format=AUTO) is film
    assert ctx.shown["animated"] == [True]
    assert files(ctx)[0].as_wire() == {
        "filename": "ComfyUI_00001_.mp4",
        "subfolder": "video",
        "type": "output",
    }
    with av.open(str(saved(ctx))) as container:
        assert json.loads(container.metadata["prompt"]) == PROMPT
        assert json.loads(container.metadata["workflow"]) == {"nodes": []}
    saved(ctx).rename(ctx.folders.input / "film.mp4")
    loaded = nodes.load_video(ctx, file="film.mp4")
    parts = nodes.get_components(ctx, video=loaded)
    assert parts.fps == 12.0
    torch.testing.assert_close(parts.images.pixels.mean((1, 2, 3)), FRAMES.pixels.mean((1, 2, 3)), atol=0.02, rtol=0)
    assert parts.audio is not None
    assert parts.audio.sample_rate_hz == 16000
    h264 = {"format": "mp4", "codec": {"codec": "h264"}}
    nodes.save_video(ctx, video=loaded, filename_prefix="%width%", format=h264)
    assert saved(ctx).name == "48_00001_.mp4"


def test_components_of_a_made_film_are_what_it_was_made_of(ctx: Context) -> None:
    parts = nodes.get_components(ctx, video=nodes.create_video(ctx, images=FRAMES, fps=29.97))
    assert parts.images.pixels is FRAMES.pixels
    assert (parts.audio, parts.fps, parts.bit_depth, parts.color_space) == (None, 29.97, 8, "sRGB")
    deep = nodes.create_video(ctx, images=FRAMES, bit_depth=10)
    assert nodes.get_components(ctx, video=deep).bit_depth == 10
    nodes.save_video(ctx, video=deep, format=AUTO)
    saved(ctx).rename(ctx.folders.input / "deep.mp4")
    assert nodes.get_components(ctx, video=nodes.load_video(ctx, file="deep.mp4")).bit_depth == 10


@pytest.mark.parametrize("codec", ["vp9", "av1"])
def test_webm(ctx: Context, codec: str) -> None:
    frames = Image(torch.nn.functional.interpolate(FRAMES.pixels.movedim(-1, 1), (64, 64)).movedim(1, -1))
    assert nodes.save_webm(ctx, images=frames, codec=codec, fps=10.0) is frames
    assert saved(ctx).name == "ComfyUI_00001_.webm"
    with av.open(str(saved(ctx))) as container:
        assert codec in container.streams.video[0].codec.name
        assert sum(1 for _ in container.decode(video=0)) == 6


def test_nothing_is_left_of_a_film_that_cannot_be_written(ctx: Context) -> None:
    odd = nodes.create_video(ctx, images=Image(FRAMES.pixels[:, :31]))
    with pytest.raises(InputInvalid, match="even sides"):
        nodes.save_video(ctx, video=odd, format=AUTO)
    assert not [path for path in ctx.folders.output.rglob("*") if path.is_file()]


def test_missing_film(ctx: Context) -> None:
    with pytest.raises(ModelMissing):
        nodes.load_video(ctx, file="film.mp4")


@pytest.mark.parametrize("rate", [12.0, 23.976])
def test_a_published_webm_says_its_exact_rate(ctx: Context, rate: float) -> None:
    nodes.save_webm(ctx, images=FRAMES, codec="vp9", fps=rate)
    with av.open(str(saved(ctx))) as container:
        assert float(container.streams.video[0].average_rate or 0) == pytest.approx(rate, abs=1e-4)
