"""Loading nodes: what a file gives, what is shared between files, and what is said of files that give nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from engine.context import Context
from engine.errors import ModelMissing, ModelUnreadable
from engine.folders import Folders, model_folders
from engine.model_store import ModelStore
from engine.types import Absent, Image
from nodes import loaders, vae
from nodes.model_sampling import sample_continuous_edm
from nodes.values import Clip, Latent, Vae

UNET = "model.diffusion_model."


@pytest.fixture
def folder(models_dir: Path, tmp_path: Path) -> Path:
    """A models folder of this test's own, with the tiny checkpoints linked into it."""
    for kind in ("checkpoints", "diffusion_models", "vae", "configs"):
        (tmp_path / kind).mkdir()
    for file in (models_dir / "checkpoints").iterdir():
        os.link(file, tmp_path / "checkpoints" / file.name)
    return tmp_path


@pytest.fixture
def ctx(folder: Path) -> Context:
    return Context(Folders(model_folders([folder])), ModelStore("cpu"))


def tensors_of(folder: Path, name: str = "tiny_sd15") -> dict[str, Tensor]:
    return load_file(folder / "checkpoints" / f"{name}.safetensors")


def write(path: Path, tensors: Mapping[str, Tensor]) -> None:
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)


@pytest.mark.parametrize(
    ("name", "family", "encoders"),
    [("tiny_sd15", "sd15", 1), ("tiny_sd15_inpaint", "sd15", 1), ("tiny_sdxl", "sdxl", 2)],
)
def test_a_checkpoint_gives_three_parts(ctx: Context, name: str, family: str, encoders: int) -> None:
    model, clip, decoder = loaders.load_checkpoint(ctx, ckpt_name=f"{name}.safetensors")
    assert isinstance(clip, Clip)
    assert isinstance(decoder, Vae)
    assert model.variant.texts == clip.texts == family
    assert model.family is clip.family
    assert len(clip.weights) == encoders
    assert model.parameterization.prediction == "eps"
    for weights in (model.weights, *clip.weights, decoder.weights):
        with ctx.models.lease(weights) as module:
            assert all(parameter.dtype == torch.float32 for parameter in module.parameters())


def test_a_tiny_sdxl_v_model(ctx: Context, folder: Path) -> None:
    marks = {"v_pred": torch.zeros(0), "ztsnr": torch.zeros(0)}
    write(folder / "checkpoints" / "v.safetensors", tensors_of(folder, "tiny_sdxl") | marks)
    model = loaders.load_checkpoint(ctx, ckpt_name="v.safetensors").MODEL
    assert model.parameterization.prediction == "v"
    assert model.parameterization.sigma_max > 1000


def test_playground_marks_itself_by_its_latents_mean_and_spread(ctx: Context, folder: Path) -> None:
    marks = {name: torch.ones(1, 4, 1, 1) for name in ("edm_mean", "edm_std")}
    write(folder / "checkpoints" / "edm.safetensors", tensors_of(folder, "tiny_sdxl") | marks)
    model = loaders.load_checkpoint(ctx, ckpt_name="edm.safetensors").MODEL
    by_hand = sample_continuous_edm(
        ctx,
        model=loaders.load_checkpoint(ctx, ckpt_name="tiny_sdxl.safetensors").MODEL,
        sampling="edm_playground_v2.5",
        sigma_max=80.0,
        sigma_min=0.002,
    )
    assert model.space is by_hand.space
    found, wanted = model.parameterization, by_hand.parameterization
    assert (found.prediction, found.levels, found.sigma_data) == ("edm", wanted.levels, 0.5)


@pytest.mark.parametrize(("lowest", "sigma_min"), [({"edm_vpred.sigma_min": torch.tensor(0.01)}, 0.01), ({}, 0.002)])
def test_cosxl_marks_itself_by_the_ends_of_its_levels(
    ctx: Context, folder: Path, lowest: dict[str, Tensor], sigma_min: float
) -> None:
    marks = {"edm_vpred.sigma_max": torch.tensor(80.0), "v_pred": torch.zeros(0)} | lowest
    write(folder / "checkpoints" / "cos.safetensors", tensors_of(folder, "tiny_sdxl") | marks)
    model = loaders.load_checkpoint(ctx, ckpt_name="cos.safetensors").MODEL
    assert (model.parameterization.prediction, model.parameterization.sigma_data) == ("v", 1.0)
    assert model.parameterization.sigma_max == pytest.approx(80.0)
    assert model.parameterization.sigma_min == pytest.approx(sigma_min)
    assert model.parameterization.timestep(torch.tensor(1.0)).item() == 0.0


def test_a_pickled_checkpoint_is_the_same_model(ctx: Context, folder: Path) -> None:
    torch.save({"state_dict": tensors_of(folder), "global_step": 3}, folder / "checkpoints" / "old.ckpt")
    pickled, stored = (loaders.load_checkpoint(ctx, ckpt_name=name) for name in ("old.ckpt", "tiny_sd15.safetensors"))
    assert isinstance(pickled.CLIP, Clip) and isinstance(stored.CLIP, Clip)
    assert isinstance(pickled.VAE, Vae) and isinstance(stored.VAE, Vae)
    for ours, theirs in zip(
        (pickled.MODEL.weights, *pickled.CLIP.weights, pickled.VAE.weights),
        (stored.MODEL.weights, *stored.CLIP.weights, stored.VAE.weights),
        strict=True,
    ):
        assert ours.key == theirs.key


def test_opening_reads_no_weights(ctx: Context) -> None:
    loaders.load_checkpoint(ctx, ckpt_name="tiny_sd15.safetensors")
    assert ctx.models.stats() == []


def test_equal_parts_of_two_checkpoints_are_held_once(ctx: Context, folder: Path) -> None:
    tensors = tensors_of(folder)
    name = f"{UNET}out.2.bias"
    write(folder / "checkpoints" / "tuned.safetensors", tensors | {name: tensors[name] + 1})
    one = loaders.load_checkpoint(ctx, ckpt_name="tiny_sd15.safetensors")
    two = loaders.load_checkpoint(ctx, ckpt_name="tuned.safetensors")
    assert isinstance(one.VAE, Vae)
    assert isinstance(two.VAE, Vae)
    assert isinstance(one.CLIP, Clip)
    assert isinstance(two.CLIP, Clip)
    assert one.MODEL.weights.key != two.MODEL.weights.key
    for first, second in ((one.VAE.weights, two.VAE.weights), (one.CLIP.weights[0], two.CLIP.weights[0])):
        with ctx.models.lease(first) as module, ctx.models.lease(second) as other:
            assert module is other


def test_a_bare_denoiser(ctx: Context, folder: Path) -> None:
    own = {name.removeprefix(UNET): t for name, t in tensors_of(folder).items() if name.startswith(UNET)}
    write(folder / "diffusion_models" / "unet.safetensors", own)
    model = loaders.load_unet(ctx, unet_name="unet.safetensors", weight_dtype="default")
    whole = loaders.load_checkpoint(ctx, ckpt_name="tiny_sd15.safetensors").MODEL
    assert model.weights.key == whole.weights.key


def test_weights_rounded_to_eight_bits(ctx: Context, folder: Path) -> None:
    own = {name: t for name, t in tensors_of(folder).items() if name.startswith(UNET)}
    write(folder / "diffusion_models" / "unet.safetensors", own)
    exact = loaders.load_unet(ctx, unet_name="unet.safetensors", weight_dtype="default")
    rough = loaders.load_unet(ctx, unet_name="unet.safetensors", weight_dtype="fp8_e4m3fn")
    with ctx.models.lease(exact.weights) as one, ctx.models.lease(rough.weights) as other:
        rounded = one.conv_in.weight.to(torch.float8_e4m3fn).float()
        assert torch.equal(other.conv_in.weight, rounded)
        assert not torch.equal(other.conv_in.weight, one.conv_in.weight)


def test_a_vae_of_its_own(ctx: Context, folder: Path) -> None:
    prefix = "first_stage_model."
    own = {name.removeprefix(prefix): t for name, t in tensors_of(folder).items() if name.startswith(prefix)}
    write(folder / "vae" / "own.safetensors", own)
    picture = Image(torch.rand(1, 16, 16, 3))
    embedded = loaders.load_checkpoint(ctx, ckpt_name="tiny_sd15.safetensors").VAE
    assert isinstance(embedded, Vae)
    latents = [
        vae.vae_encode(ctx, pixels=picture, vae=decoder).samples
        for decoder in (embedded, loaders.load_vae(ctx, vae_name="own.safetensors"))
    ]
    assert torch.equal(latents[0], latents[1])


def test_pixel_space(ctx: Context) -> None:
    decoder = loaders.load_vae(ctx, vae_name="pixel_space")
    assert vae.vae_decode(ctx, samples=Latent(torch.zeros(1, 3, 5, 4)), vae=decoder).pixels.shape == (1, 5, 4, 3)


def test_tiled_nodes(ctx: Context) -> None:
    decoder = loaders.load_checkpoint(ctx, ckpt_name="tiny_sd15.safetensors").VAE
    assert isinstance(decoder, Vae)
    latent = vae.vae_encode_tiled(ctx, pixels=Image(torch.rand(1, 96, 80, 3)), vae=decoder, tile_size=64, overlap=32)
    assert latent.samples.shape == (1, 4, 12, 10)
    assert vae.vae_decode_tiled(ctx, samples=latent, vae=decoder, tile_size=64, overlap=32).pixels.shape == (
        1,
        96,
        80,
        3,
    )


class TestConfig:
    def load(self, ctx: Context, folder: Path, text: str) -> loaders.CheckpointOutputs:
        (folder / "configs" / "v2.yaml").write_text(text)
        return loaders.load_checkpoint_with_config(ctx, config_name="v2.yaml", ckpt_name="tiny_sd15.safetensors")

    def test_prediction_and_layer(self, ctx: Context, folder: Path) -> None:
        text = """
model:
  params:
    parameterization: v
    cond_stage_config:
      params: {layer: penultimate}
"""
        loaded = self.load(ctx, folder, text)
        assert loaded.MODEL.parameterization.prediction == "v"
        assert isinstance(loaded.CLIP, Clip)
        assert loaded.CLIP.last_layer == -2

    def test_a_plain_one_changes_nothing(self, ctx: Context, folder: Path) -> None:
        loaded = self.load(ctx, folder, "model:\n  params:\n    cond_stage_config: {target: FrozenCLIPEmbedder}\n")
        assert loaded.MODEL.parameterization.prediction == "eps"
        assert isinstance(loaded.CLIP, Clip)
        assert loaded.CLIP.last_layer is None

    @pytest.mark.parametrize("text", ["", "model: 3", "a: [", "model:\n  params:\n    cond_stage_config: text\n"])
    def test_other_documents(self, ctx: Context, folder: Path, text: str) -> None:
        with pytest.raises(ModelUnreadable, match=r"'v2\.yaml' is no model configuration"):
            self.load(ctx, folder, text)


class TestWrongFiles:
    def test_a_file_that_is_not_there(self, ctx: Context) -> None:
        with pytest.raises(ModelMissing, match=r"tiny_sd14\.safetensors") as caught:
            loaders.load_checkpoint(ctx, ckpt_name="tiny_sd14.safetensors")
        assert "tiny_sd15.safetensors" in caught.value.remedy

    def test_parts_that_a_checkpoint_lacks_are_absent(self, ctx: Context, folder: Path) -> None:
        own = {name: t for name, t in tensors_of(folder).items() if name.startswith(UNET)}
        write(folder / "checkpoints" / "bare.safetensors", own)
        _, clip, decoder = loaders.load_checkpoint(ctx, ckpt_name="bare.safetensors")
        assert isinstance(clip, Absent)
        assert isinstance(decoder, Absent)
        assert "CLIPLoader" in clip.remedy
        assert "VAELoader" in decoder.remedy

    @pytest.mark.parametrize(
        ("tensor", "node"),
        [
            ("lora_unet_down_blocks_0.lora_up.weight", "LoraLoader"),
            ("control_model.input_blocks.0.0.weight", "ControlNetLoader"),
            ("encoder.conv_in.weight", "VAELoader"),
            ("text_model.encoder.layers.0.mlp.fc1.weight", "CLIPLoader"),
            ("double_blocks.0.img_attn.qkv.weight", "UNETLoader"),
        ],
    )
    def test_other_kinds_of_files_name_their_loader(self, ctx: Context, folder: Path, tensor: str, node: str) -> None:
        write(folder / "checkpoints" / "x.safetensors", {tensor: torch.zeros(1)})
        with pytest.raises(ModelUnreadable, match="is no checkpoint") as caught:
            loaders.load_checkpoint(ctx, ckpt_name="x.safetensors")
        assert node in caught.value.remedy

    def test_a_truncated_checkpoint(self, ctx: Context, folder: Path) -> None:
        whole = (folder / "checkpoints" / "tiny_sd15.safetensors").read_bytes()
        (folder / "checkpoints" / "cut.safetensors").write_bytes(whole[: len(whole) // 2])
        with pytest.raises(ModelUnreadable, match="truncated"):
            loaders.load_checkpoint(ctx, ckpt_name="cut.safetensors")

    def test_a_pickle_without_weights(self, ctx: Context, folder: Path) -> None:
        torch.save({"state_dict": {}}, folder / "checkpoints" / "old.ckpt")
        with pytest.raises(ModelUnreadable, match=r"'old\.ckpt' is no checkpoint"):
            loaders.load_checkpoint(ctx, ckpt_name="old.ckpt")
