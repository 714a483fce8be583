"""Encoded prompts against ComfyUI's, with encoders straight from the tiny checkpoints."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open
from torch import Tensor

from engine.model_store import ModelStore
from nodes.diffusion.identity import denoiser_in
from nodes.diffusion.text import clip_in
from nodes.diffusion.weights import WeightFile
from nodes.values import Clip

from .conftest import CASES

PROMPTS: dict[str, Any] = json.loads((CASES / "prompts.json").read_text())
TEXT_CASES = sorted(name for name in PROMPTS if name.startswith("text_"))


def open_clip(file: Path) -> Clip:
    opened = WeightFile(file)
    clip = clip_in(opened, denoiser_in(opened, "ckpt_name")[0])
    assert clip is not None
    return clip


def distance(ours: Tensor, theirs: Tensor) -> float:
    return float((ours - theirs).norm() / theirs.norm())


def test_there_are_cases() -> None:
    assert len(TEXT_CASES) >= 19


@pytest.mark.parametrize("case", TEXT_CASES)
def test_as_comfyui(models_dir: Path, case: str) -> None:
    steps = {step["class_type"]: step["inputs"] for step in PROMPTS[case].values()}
    clip = open_clip(models_dir / "checkpoints" / steps["CheckpointLoaderSimple"]["ckpt_name"])
    if "CLIPSetLastLayer" in steps:
        clip = replace(clip, last_layer=steps["CLIPSetLastLayer"]["stop_at_clip_layer"])
    given = steps.get("CLIPTextEncode") or steps["CLIPTextEncodeSDXL"]
    text = given["text"] if "text" in given else {"clip_g": given["text_g"], "clip_l": given["text_l"]}
    found = clip.family.text.encode(ModelStore("cpu"), clip, text, [models_dir / "embeddings"])
    with safe_open(CASES / "outputs.safetensors", "pt") as recorded:
        assert distance(found.context, recorded.get_tensor(f"{case}/0.cond")) < 1e-5
        assert distance(found.pooled, recorded.get_tensor(f"{case}/0.pooled")) < 1e-5
