"""Loading, saving and showing pictures."""

from __future__ import annotations

import base64
import io
import json

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from engine.context import Context
from engine.errors import Cancelled, InputInvalid, ModelMissing
from engine.events import EventLog, NodePreview
from engine.types import Image, Mask
from nodes import image_files as nodes
from tests.nodes.saving import PROMPT, files, paths

LEVELS = np.random.default_rng(1).integers(0, 256, (2, 6, 8, 3), dtype=np.uint8)
IMAGES = Image(torch.from_numpy(LEVELS.astype(np.float32)) / 255)


def as_base64(picture: Pillow.Image) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def test_saved_pictures_load_again_exactly(ctx: Context) -> None:
    nodes.save_image(ctx, images=IMAGES, filename_prefix="sub/%width%x%height%")
    first, second = paths(ctx)
    assert [file.as_wire() for file in files(ctx)][1] == {
        "filename": "8x6_00002_.png",
        "subfolder": "sub",
        "type": "output",
    }
    for number, path in enumerate((first, second)):
        loaded = nodes.load_image(ctx, image=f"sub/{path.name} [output]")
        np.testing.assert_array_equal((loaded.IMAGE.pixels[0] * 255).round().numpy(), LEVELS[number])
        assert torch.equal(loaded.MASK.values, torch.zeros(1, 64, 64))
    again = nodes.load_image_output(ctx, image=f"sub/{first.name}")
    assert torch.equal(
        again.IMAGE.pixels, nodes.load_image_output(ctx, image=f"sub/{first.name} [output]").IMAGE.pixels
    )


def test_saved_picture_carries_the_workflow(ctx: Context) -> None:
    nodes.save_image(ctx, images=IMAGES)
    with Pillow.open(paths(ctx)[0]) as picture:
        assert json.loads(picture.text["prompt"]) == PROMPT
        assert json.loads(picture.text["workflow"]) == {"nodes": []}


def test_saving_never_overwrites(ctx: Context) -> None:
    for _ in range(2):
        nodes.save_image(ctx, images=IMAGES)
    assert [path.name for path in paths(ctx)] == [f"ComfyUI_0000{n}_.png" for n in (1, 2, 3, 4)]
    assert sorted(p.name for p in ctx.folders.output.iterdir()) == [path.name for path in paths(ctx)]


def test_cancelled_saving_stops_between_pictures(ctx: Context) -> None:
    ctx.cancel.cancel()
    with pytest.raises(Cancelled):
        nodes.save_image(ctx, images=IMAGES)
    assert not list(ctx.folders.output.iterdir())


def test_previews_go_to_temp(ctx: Context) -> None:
    nodes.preview_image(ctx, images=IMAGES)
    nodes.preview_mask(ctx, mask=Mask(IMAGES.pixels[..., 0]))
    found = paths(ctx)
    assert len(found) == 4
    assert all(path.parent == ctx.folders.temp and path.is_file() for path in found)
    with Pillow.open(found[3]) as picture:
        np.testing.assert_array_equal(np.asarray(picture), LEVELS[1, ..., :1].repeat(3, -1))
    assert not list(ctx.folders.output.iterdir())


def test_compared_pictures(ctx: Context) -> None:
    nodes.compare_images(ctx, image_a=IMAGES)
    assert len(paths(ctx, "a_images")) == 2
    assert "b_images" not in ctx.shown


@pytest.mark.parametrize("send", [nodes.save_image_websocket, nodes.send_image_websocket])
def test_pictures_are_sent_to_watchers(ctx: Context, send: object) -> None:
    events: list[object] = []
    ctx.log = EventLog(events.append)
    send(ctx, images=IMAGES)
    sent = [event.picture for event in events if isinstance(event, NodePreview)]
    np.testing.assert_array_equal(torch.stack(sent).numpy(), LEVELS)
    assert all(path.parent == ctx.folders.temp for path in paths(ctx))
    assert len(paths(ctx)) == 2


def test_animations(ctx: Context) -> None:
    nodes.save_animated_png(ctx, images=IMAGES, fps=4.0)
    nodes.save_animated_webp(ctx, images=IMAGES, fps=4.0, method="fastest")
    nodes.save_animated_webp(ctx, images=Image(IMAGES.pixels[:1]), fps=4.0, method="default")
    assert ctx.shown["animated"] == [True, True, False]
    for path, frames in zip(paths(ctx), (2, 2, 1), strict=True):
        with Pillow.open(path) as picture:
            assert picture.n_frames == frames


def test_mask_channels(ctx: Context) -> None:
    rgba = np.concatenate([LEVELS[0], LEVELS[1, ..., :1]], axis=-1)
    Pillow.fromarray(rgba).save(ctx.folders.input / "a.png")
    for channel, index in (("red", 0), ("green", 1), ("blue", 2)):
        values = nodes.load_image_mask(ctx, image="a.png", channel=channel).values
        np.testing.assert_array_equal((values[0] * 255).round().numpy(), rgba[..., index])
    alpha = nodes.load_image_mask(ctx, image="a.png", channel="alpha").values
    torch.testing.assert_close(alpha, nodes.load_image(ctx, image="a.png").MASK.values)


def test_base64(ctx: Context) -> None:
    text = as_base64(Pillow.fromarray(LEVELS[0]))
    for loaded in (
        nodes.load_image_base64(ctx, image=text),
        nodes.load_image_base64(ctx, image=f"data:image/png;base64,{text}"),
        nodes.load_image(ctx, image=f"data:image/png;base64,{text}"),
    ):
        np.testing.assert_array_equal((loaded.IMAGE.pixels[0] * 255).round().numpy(), LEVELS[0])
    mask = nodes.load_mask_base64(ctx, mask=text).values
    np.testing.assert_array_equal((mask[0] * 255).round().numpy(), LEVELS[0, ..., 0])
    grey = as_base64(Pillow.new("L", (3, 2), 51))
    assert nodes.load_mask_base64(ctx, mask=grey).values.unique().tolist() == [pytest.approx(0.2)]
    with pytest.raises(InputInvalid, match="not base64"):
        nodes.load_mask_base64(ctx, mask="%")


def test_missing_picture_is_named_with_the_nearest(ctx: Context) -> None:
    Pillow.fromarray(LEVELS[0]).save(ctx.folders.input / "photo.png")
    with pytest.raises(ModelMissing, match=r"did you mean 'photo\.png'"):
        nodes.load_image(ctx, image="foto.png")
