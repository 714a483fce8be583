"""Stable Video Diffusion apart from what recorded cases show: its files' names, its loader, guidance over frames."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from diffusers import UNetSpatioTemporalConditionModel
from safetensors import safe_open

from engine.context import Context
from engine.errors import DagfusionError, InputInvalid, ModelUnreadable
from engine.folders import Folders, model_folders
from engine.types import Absent, Image
from nodes import builtin_registry
from nodes.diffusion.checkpoints import load_checkpoint
from nodes.diffusion.patches.cfg import over_frames
from nodes.diffusion.vision import load_vision
from nodes.families.svd.denoiser import configuration
from nodes.families.svd.names import name_map
from nodes.hooks import Guided
from tests.reference.families import models

REGISTRY = builtin_registry()
BOOK = Path(models.__file__).parent / "svd" / "models.json.xz"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return models.write(BOOK, tmp_path_factory.mktemp("svd"))


@pytest.fixture
def svd(folder: Path, ctx: Context) -> Context:
    folders = Folders(model_folders([folder]), ctx.folders.input, ctx.folders.output, ctx.folders.temp)
    return replace(ctx, folders=folders)


def test_every_parameter_has_its_name_in_the_file(folder: Path) -> None:
    path = folder / "checkpoints" / "tiny_svd.safetensors"
    checkpoint = load_checkpoint(path)
    assert checkpoint.model.family.name == "svd" and checkpoint.clip is None and checkpoint.vae is not None
    with safe_open(path, "pt") as file:
        prefix = "model.diffusion_model."
        names = {name.removeprefix(prefix) for name in file.keys() if name.startswith(prefix)}  # noqa: SIM118
    from nodes.diffusion.weights import WeightFile

    with torch.device("meta"):
        network: Any = UNetSpatioTemporalConditionModel(**configuration(WeightFile(path).view(prefix)))
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    assert set(name_map(shapes).native) == names


def test_a_checkpoint_without_prompts_says_so_where_its_clip_is_asked_for(svd: Context) -> None:
    outputs = REGISTRY["CheckpointLoaderSimple"].run(svd, ckpt_name="tiny_svd.safetensors")
    assert isinstance(outputs.CLIP, Absent)
    assert "ImageOnlyCheckpointLoader" in outputs.CLIP.remedy


def test_a_checkpoint_of_prompts_holds_no_encoder_of_pictures(svd: Context, models_dir: Path) -> None:
    folders = Folders(model_folders([models_dir]), svd.folders.input, svd.folders.output, svd.folders.temp)
    with pytest.raises(ModelUnreadable, match="no picture encoder") as caught:
        REGISTRY["ImageOnlyCheckpointLoader"].run(replace(svd, folders=folders), ckpt_name="tiny_sd15.safetensors")
    assert caught.value.input == "ckpt_name"


def test_a_file_without_any_encoder_is_told(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(1)}, tmp_path / "x.safetensors")
    with pytest.raises(ModelUnreadable, match="no picture encoder"):
        load_vision(tmp_path / "x.safetensors")


def test_noise_over_the_picture_is_always_the_same(svd: Context) -> None:
    _, vision, vae = REGISTRY["ImageOnlyCheckpointLoader"].run(svd, ckpt_name="tiny_svd.safetensors")

    def start(level: float, pictures: int = 1) -> Any:
        image = Image(torch.full((pictures, 40, 48, 3), 0.5))
        return REGISTRY["SVD_img2vid_Conditioning"].run(
            svd,
            clip_vision=vision,
            init_image=image,
            vae=vae,
            width=32,
            height=32,
            video_frames=3,
            augmentation_level=level,
        )

    plain, noisy, again = (start(level).positive.entries[0] for level in (0.0, 0.3, 0.3))
    assert torch.equal(noisy.concat_latent, again.concat_latent)
    assert not torch.allclose(noisy.concat_latent, plain.concat_latent)
    assert start(0.0).latent.samples.shape == (3, 4, 4, 4)
    with pytest.raises(InputInvalid, match="no picture") as caught:
        start(0.0, pictures=0)
    assert caught.value.input == "init_image" and isinstance(caught.value, DagfusionError)


@pytest.mark.parametrize(
    ("form", "scales"), [("line", [1.0, 2.0, 3.0, 4.0, 5.0]), ("triangle", [1.0, 3.0, 5.0, 3.0, 1.0])]
)
def test_guidance_over_frames(form: Any, scales: list[float]) -> None:
    cond, uncond = torch.ones(5, 1, 1, 1), torch.zeros(5, 1, 1, 1)
    guided = cast(Guided, type("G", (), {"cond": cond, "uncond": uncond, "cfg": 5.0}))
    combine = over_frames(1.0, form).combine
    assert combine is not None and combine(guided).flatten().tolist() == pytest.approx(scales)
