"""The shipped files: their size, their public layouts, and the way back from a file to training."""

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from spandrel import ImageModelDescriptor, ModelLoader

from models.tiny.drawing import WEIGHTS
from models.tiny.export import checkpoint, widen
from models.tiny.reopen import pair_of, vae_of

CHECKPOINT = WEIGHTS / "checkpoints" / "tiny.safetensors"
LORA = WEIGHTS / "loras" / "tiny_style.safetensors"


def test_all_files_together_stay_small() -> None:
    files = [f for f in WEIGHTS.rglob("*") if f.is_file()]
    assert sorted(f.relative_to(WEIGHTS).as_posix() for f in files) == [
        "checkpoints/tiny.safetensors",
        "controlnet/tiny_canny.safetensors",
        "loras/tiny_style.safetensors",
        "upscale_models/tiny_upscale_x2.safetensors",
    ]
    assert sum(f.stat().st_size for f in files) <= 16_000_000


@pytest.mark.parametrize("file", sorted(WEIGHTS.rglob("*.safetensors")), ids=lambda f: f.stem)
def test_every_file_is_half_precision_and_says_whose_it_is(file: object) -> None:
    with safe_open(str(file), "pt") as opened:
        assert opened.metadata()["modelspec.license"] == "Apache-2.0"
        tensors = {k: opened.get_tensor(k) for k in opened.keys()}  # noqa: SIM118 - this is no mapping
    assert all(t.dtype == torch.float16 for k, t in tensors.items() if k != "v_pred")
    assert all(torch.isfinite(t).all() for t in tensors.values())


def test_the_checkpoint_is_an_honest_sd1_file() -> None:
    state = load_file(CHECKPOINT)
    assert "v_pred" in state
    norms = [v for k, v in state.items() if k.endswith(("in_layers.0.weight", "out_layers.0.weight", ".norm.weight"))]
    assert norms
    assert all(len(v) % 32 == 0 for v in norms)
    assert len(state["cond_stage_model.transformer.text_model.embeddings.token_embedding.weight"]) == 49408


def test_the_way_back_from_a_file_loses_nothing() -> None:
    state = load_file(CHECKPOINT)
    full = {k: v.float() for k, v in state.items()}
    pair = pair_of(full)
    parts = {
        side: {k.removeprefix(f"{side}."): v for k, v in pair.items() if k.startswith(f"{side}.")}
        for side in ("unet", "text")
    }
    again = checkpoint(parts["unet"], widen(parts["text"]), vae_of(full))
    assert set(again) == set(state)
    assert all(torch.equal(again[k], state[k]) for k in state)


def test_the_lora_has_kohyas_layout() -> None:
    state = load_file(LORA)
    layers = {k.rpartition(".lora_")[0] for k in state if ".lora_" in k}
    assert layers
    assert all(layer.startswith("lora_unet_") for layer in layers)
    expected = {f"{layer}.{leaf}" for layer in layers for leaf in ("lora_down.weight", "lora_up.weight", "alpha")}
    assert set(state) == expected


def test_spandrel_knows_the_upscaler() -> None:
    found = ModelLoader().load_from_file(WEIGHTS / "upscale_models" / "tiny_upscale_x2.safetensors")
    assert isinstance(found, ImageModelDescriptor)
    assert found.scale == 2
    assert found.input_channels == found.output_channels == 3
