"""Upscale models as nodes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from engine.context import Context
from engine.errors import ModelMissing
from engine.events import EventLog, NodeProgress
from engine.folders import Folders, model_folders
from engine.types import Image
from nodes import upscale


@pytest.fixture
def with_models(ctx: Context, models_dir: Path) -> Context:
    ctx.folders = Folders(model_folders([models_dir]))
    return ctx


@pytest.mark.parametrize("scale", [2, 4])
def test_upscale(with_models: Context, scale: int) -> None:
    events: list[object] = []
    with_models.log = EventLog(events.append)
    model = upscale.load_upscale_model(with_models, model_name=f"tiny_esrgan_x{scale}.safetensors")
    out = upscale.upscale_with_model(with_models, upscale_model=model, image=Image(torch.rand(2, 9, 13, 3)))
    assert out.pixels.shape == (2, 9 * scale, 13 * scale, 3)
    assert out.pixels.dtype == torch.float32
    assert not out.pixels.is_inference()
    assert [(e.value, e.total) for e in events if isinstance(e, NodeProgress)] == [(1, 2), (2, 2)]


def test_missing_model(with_models: Context) -> None:
    with pytest.raises(ModelMissing, match=r"did you mean .*'tiny_esrgan_x2\.safetensors'"):
        upscale.load_upscale_model(with_models, model_name="tiny_esrgan_x3.safetensors")
