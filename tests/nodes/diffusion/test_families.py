"""Families are told by keys and shapes, whatever the width."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.errors import ModelUnreadable
from nodes.diffusion.families import FAMILIES, Family, detect
from nodes.diffusion.unet_config import as_diffusers
from nodes.diffusion.weights import WeightFile


def family_of(path: Path) -> Family:
    file = WeightFile(path)
    return detect(as_diffusers(file.view("model.diffusion_model.", "")), file)


@pytest.mark.parametrize(
    ("written", "expected"),
    [("sd15", "sd15"), ("sd2", "sd2"), ("sdxl", "sdxl"), ("sdxl_refiner", "sdxl_refiner"), ("ssd_1b", "sdxl")],
)
@pytest.mark.parametrize("layout", ["ldm", "bare", "diffusers"])
def test_every_family_in_every_layout(
    tmp_path: Path, write_unet: Callable[..., Any], written: str, expected: str, layout: str
) -> None:
    write_unet(tmp_path / "m.safetensors", written, layout=layout)
    assert family_of(tmp_path / "m.safetensors") == FAMILIES[expected]


@pytest.mark.parametrize(
    ("name", "expected", "inpaint"),
    [("tiny_sd15", "sd15", False), ("tiny_sd15_inpaint", "sd15", True), ("tiny_sdxl", "sdxl", False)],
)
def test_the_reference_models(models_dir: Path, name: str, expected: str, inpaint: bool) -> None:
    family = family_of(models_dir / "checkpoints" / f"{name}.safetensors")
    assert (family.name, family.inpaint, family.prediction) == (expected, inpaint, "eps")


@pytest.mark.parametrize("family", ["sd15", "sdxl"])
@pytest.mark.parametrize(("channels", "concat"), [(9, ("mask", "masked_image")), (8, ("image",))])
def test_further_input_channels(
    tmp_path: Path, write_unet: Callable[..., Any], family: str, channels: int, concat: tuple[str, ...]
) -> None:
    write_unet(tmp_path / "m.safetensors", family, in_channels=channels)
    assert family_of(tmp_path / "m.safetensors").concat == concat


def test_unknown_number_of_channels(tmp_path: Path, write_unet: Callable[..., Any]) -> None:
    write_unet(tmp_path / "m.safetensors", "sd15", in_channels=7)
    with pytest.raises(ModelUnreadable, match="7 input channels"):
        family_of(tmp_path / "m.safetensors")


@pytest.mark.parametrize(
    ("marks", "prediction", "zsnr"), [((), "eps", False), (("v_pred",), "v", False), (("v_pred", "ztsnr"), "v", True)]
)
def test_marks_of_sdxl_v_models(
    tmp_path: Path, write_unet: Callable[..., Any], marks: tuple[str, ...], prediction: str, zsnr: bool
) -> None:
    write_unet(tmp_path / "m.safetensors", "sdxl", extra={mark: torch.zeros(1) for mark in marks})
    family = family_of(tmp_path / "m.safetensors")
    assert (family.prediction, family.zsnr) == (prediction, zsnr)


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
    assert family_of(path).prediction == prediction


def test_a_file_without_a_unet(tmp_path: Path) -> None:
    save_file({"x": torch.zeros(1)}, tmp_path / "m.safetensors")
    with pytest.raises(ModelUnreadable, match="no UNet"):
        family_of(tmp_path / "m.safetensors")
