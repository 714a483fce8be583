"""Writing picture files, with the workflow inside."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from engine.request import Request
from engine.workflow import NodeDocument, Workflow
from nodes.metadata import pictures as metadata
from nodes.pictures import encode

TEXTS = Request(
    Workflow(nodes={"1": NodeDocument(class_type="Ä")}, extra_pnginfo={"workflow": {"nodes": ["ü"]}, "other": [1]})
).texts
FRAMES = torch.rand(3, 6, 8, 3, generator=torch.Generator().manual_seed(1))


def test_levels_round_down_and_clip() -> None:
    values = torch.tensor([-1.0, 0.0, 0.5, 1.0, 2.0, float("nan"), float("inf")])
    assert encode.levels(values).tolist() == [0, 0, 127, 255, 255, 0, 255]


def test_texts_leave_out_an_empty_workflow() -> None:
    assert Request(Workflow(nodes={})).texts == {}
    assert list(TEXTS) == ["prompt", "workflow", "other"]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_png_holds_levels_and_texts(tmp_path: Path, channels: int) -> None:
    pixels = torch.rand(6, 8, channels)
    encode.png(tmp_path / "plain.png", pixels)
    metadata.png(tmp_path / "plain.png", tmp_path / "a.png", TEXTS)
    with Pillow.open(tmp_path / "a.png") as picture:
        picture.load()
        np.testing.assert_array_equal(np.asarray(picture).reshape(6, 8, channels), encode.levels(pixels))
        assert picture.text == TEXTS
        assert json.loads(picture.text["prompt"])["1"]["class_type"] == "Ä"


def test_animated_png(tmp_path: Path) -> None:
    encode.animated_png(tmp_path / "plain.png", FRAMES, fps=5.0, compress_level=4)
    metadata.animated_png(tmp_path / "plain.png", tmp_path / "a.png", TEXTS)
    data = (tmp_path / "a.png").read_bytes()
    assert data.count(b"comfprompt\0{") == data.count(b"comfworkflow\0{") == 1
    with Pillow.open(tmp_path / "a.png") as picture:
        assert picture.n_frames == 3
        assert picture.info["duration"] == 200
        picture.seek(2)
        np.testing.assert_array_equal(np.asarray(picture.convert("RGB")), encode.levels(FRAMES[2]))


def test_animated_webp(tmp_path: Path) -> None:
    encode.webp(tmp_path / "plain.webp", FRAMES, fps=5.0, lossless=True, quality=80, method=0)
    metadata.webp(tmp_path / "plain.webp", tmp_path / "a.webp", TEXTS)
    with Pillow.open(tmp_path / "a.webp") as picture:
        assert picture.n_frames == 3
        exif = picture.getexif()
        assert exif[0x0110] == f"prompt:{TEXTS['prompt']}"
        assert exif[0x010F] == f"workflow:{TEXTS['workflow']}"
        assert exif[0x010E] == "other:[1]"
        picture.seek(1)
        np.testing.assert_array_equal(np.asarray(picture.convert("RGB")), encode.levels(FRAMES[1]))


@pytest.mark.parametrize("fps", [60.0, 24000 / 1001, 6.0, 1000.0, 0.5])
def test_frames_last_as_long_as_the_rate_says(tmp_path: Path, fps: float) -> None:
    durations = encode.durations_ms(90, fps)
    assert sum(durations) == round(90_000 / fps)
    assert max(durations) - min(durations) <= 1
    frames = torch.rand(4, 6, 8, 3)
    encode.webp(tmp_path / "a.webp", frames, fps=fps, lossless=True, quality=80, method=0)
    encode.animated_png(tmp_path / "a.png", frames, fps=fps, compress_level=1)
    for name in ("a.webp", "a.png"):
        with Pillow.open(tmp_path / name) as picture:
            found = []
            for number in range(4):
                picture.seek(number)
                picture.load()
                found.append(picture.info["duration"])
            assert found == encode.durations_ms(4, fps)
