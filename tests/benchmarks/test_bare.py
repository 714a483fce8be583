"""The pipeline that pictures are timed against draws the same pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.bare import BarePipeline
from benchmarks.drawing import studio, text_to_image
from benchmarks.image import PROMPTS, psnr
from engine.errors import DagfusionError


@pytest.mark.parametrize("sampler", ["euler", "dpmpp_2m"])
def test_diffusers_own_pipeline_draws_the_same_picture(tmp_path: Path, sampler: str) -> None:
    with studio(tmp_path, tmp_path, "cpu", "float32") as draw:
        bare = BarePipeline(draw.engine, "tiny.safetensors", sampler, torch.float32)
        asked = {"size_px": 128, "steps": 8, "seed": 5, "prompt": PROMPTS[2], "cfg": 4.0}
        ours = draw.picture(text_to_image("tiny.safetensors", sampler=sampler, **asked))
        theirs = np.asarray(bare.draw(**asked, file=tmp_path / "bare.png"))
    assert psnr(ours, theirs) > 45
    assert (tmp_path / "bare.png").stat().st_size > 1000


def test_sdxl_is_drawn_by_its_own_pipeline(models_dir: Path, tmp_path: Path) -> None:
    with studio(models_dir, tmp_path, "cpu", "float32") as draw:
        bare = BarePipeline(draw.engine, "tiny_sdxl.safetensors", "euler", torch.float32)
        picture = bare.draw("a fox", size_px=64, steps=2, seed=1, cfg=4.0)
    assert type(bare._pipeline).__name__ == "StableDiffusionXLPipeline"
    assert picture.size == (64, 64)


def test_a_sampler_without_a_scheduler_is_named(tmp_path: Path) -> None:
    with studio(tmp_path, tmp_path, "cpu", "float32") as draw, pytest.raises(DagfusionError, match="'ddim_uniform'"):
        BarePipeline(draw.engine, "tiny.safetensors", "ddim_uniform", torch.float32)
