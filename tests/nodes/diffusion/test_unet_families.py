"""Families are told by keys and shapes, whatever the width."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.errors import ModelUnreadable
from nodes.diffusion.checkpoints import load_unet


@pytest.mark.parametrize(
    ("written", "expected"),
    [("sd15", "sd15"), ("sd2", "sd2"), ("sdxl", "sdxl"), ("sdxl_refiner", "sdxl_refiner"), ("ssd_1b", "sdxl")],
)
@pytest.mark.parametrize("layout", ["ldm", "bare", "diffusers"])
def test_every_family_in_every_layout(
    tmp_path: Path, write_unet: Callable[..., Any], written: str, expected: str, layout: str
) -> None:
    write_unet(tmp_path / "m.safetensors", written, layout=layout)
    model = load_unet(tmp_path / "m.safetensors")
    assert (model.family.name, model.variant.texts) == ("sdxl" if "xl" in expected else "sd", expected)
    assert (model.parameterization.prediction, model.space) == ("eps", model.family.space)


@pytest.mark.parametrize(
    ("name", "expected", "inpaint"),
    [("tiny_sd15", "sd15", False), ("tiny_sd15_inpaint", "sd15", True), ("tiny_sdxl", "sdxl", False)],
)
def test_the_reference_models(models_dir: Path, name: str, expected: str, inpaint: bool) -> None:
    model = load_unet(models_dir / "checkpoints" / f"{name}.safetensors")
    assert (model.variant.texts, "mask" in model.variant.concat) == (expected, inpaint)
    assert model.parameterization.prediction == "eps"


@pytest.mark.parametrize("family", ["sd15", "sdxl"])
@pytest.mark.parametrize(("channels", "concat"), [(9, ("mask", "masked_image")), (8, ("image",))])
def test_further_input_channels(
    tmp_path: Path, write_unet: Callable[..., Any], family: str, channels: int, concat: tuple[str, ...]
) -> None:
    write_unet(tmp_path / "m.safetensors", family, in_channels=channels)
    assert load_unet(tmp_path / "m.safetensors").variant.concat == concat


def test_unknown_number_of_channels(tmp_path: Path, write_unet: Callable[..., Any]) -> None:
    write_unet(tmp_path / "m.safetensors", "sd15", in_channels=7)
    with pytest.raises(ModelUnreadable, match="7 input channels"):
        load_unet(tmp_path / "m.safetensors")


@pytest.mark.parametrize(
    ("marks", "prediction", "zsnr"), [((), "eps", False), (("v_pred",), "v", False), (("v_pred", "ztsnr"), "v", True)]
)
def test_marks_of_sdxl_v_models(
    tmp_path: Path, write_unet: Callable[..., Any], marks: tuple[str, ...], prediction: str, zsnr: bool
) -> None:
    write_unet(tmp_path / "m.safetensors", "sdxl", extra={mark: torch.zeros(1) for mark in marks})
    parameterization = load_unet(tmp_path / "m.safetensors").parameterization
    assert parameterization.prediction == prediction
    assert (parameterization.sigma_max > 1000) == zsnr


@pytest.mark.parametrize(("spread", "prediction"), [(0.05, "eps"), (0.2, "v")])
def test_sd2_is_told_by_the_spread_of_a_bias(
    tmp_path: Path, write_unet: Callable[..., Any], spread: float, prediction: str
) -> None:
    path = tmp_path / "m.safetensors"
    write_unet(path, "sd2")
    tensors = load_file(path)
    name = "model.diffusion_model.output_blocks.11.1.transformer_blocks.0.norm1.bias"
    bias = torch.randn(tensors[name].shape)
    tensors[name] = bias / bias.std(unbiased=False) * spread
    save_file(tensors, path)
    assert load_unet(path).parameterization.prediction == prediction


def test_a_file_without_a_unet(tmp_path: Path) -> None:
    save_file({"x": torch.zeros(1)}, tmp_path / "m.safetensors")
    with pytest.raises(ModelUnreadable, match="no denoiser"):
        load_unet(tmp_path / "m.safetensors")
