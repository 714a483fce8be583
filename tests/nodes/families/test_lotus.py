"""Lotus' UNet is told from Stable Diffusion XL's by its vector, in either layout, and is the same network in both."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file

from nodes.diffusion.checkpoints import load_unet
from nodes.diffusion.unet_config import as_diffusers
from nodes.diffusion.weights import WeightFile
from nodes.families.recognition import recognise
from tests.reference.families import models

BOOK = Path(models.__file__).parent / "lotus" / "models.json.xz"


def test_both_layouts_are_the_same_network(tmp_path: Path) -> None:
    ldm = models.write(BOOK, tmp_path) / "diffusion_models" / "tiny_lotus.safetensors"
    view = as_diffusers(WeightFile(ldm).view(""))
    named = {name.replace("add_embedding.", "class_embedding.", 1): view[name].clone() for name in view}
    save_file(named, tmp_path / "diffusers.safetensors")
    both = [load_unet(path) for path in (ldm, tmp_path / "diffusers.safetensors")]
    assert [model.family.name for model in both] == ["lotus", "lotus"]
    assert {model.parameterization.prediction for model in both} == {"img_to_img"}
    first, second = (dict(model.weights.build().named_parameters()) for model in both)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_vector_of_sizes_is_not_one_of_tasks(tmp_path: Path) -> None:
    path = models.write(BOOK, tmp_path) / "diffusion_models" / "tiny_lotus.safetensors"
    shapes = WeightFile(path).shapes
    found = recognise({**shapes, "label_emb.0.0.weight": (256, 2816)})
    assert found is not None
    assert found.title == "Stable Diffusion XL"
