"""Nodes for prompts and text encoders."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.calls import call_with_known
from engine.context import Context
from engine.errors import InputInvalid, ModelMissing, ModelUnreadable
from engine.folders import Folders, model_folders
from engine.model_store import ModelStore
from nodes import builtin_registry, text, text_loaders
from nodes.families.sdxl import nodes as sdxl_nodes
from nodes.values import Clip

REGISTRY = builtin_registry()
SD15, SDXL = "cond_stage_model.transformer.", ("conditioner.embedders.0.transformer.", "conditioner.embedders.1.model.")


@pytest.fixture(scope="module")
def folders(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """The tiny models, and their text encoders in files of their own."""
    root = tmp_path_factory.mktemp("encoders")
    (root / "clip").mkdir()
    for checkpoint, prefix, name in (
        ("tiny_sd15", SD15, "sd15_l"),
        ("tiny_sdxl", SDXL[0], "sdxl_l"),
        ("tiny_sdxl", SDXL[1], "sdxl_g"),
    ):
        tensors = load_file(models_dir / "checkpoints" / f"{checkpoint}.safetensors")
        part = {key.removeprefix(prefix): tensor for key, tensor in tensors.items() if key.startswith(prefix)}
        save_file(part, root / "clip" / f"{name}.safetensors")
    return Folders(model_folders([models_dir, root]))


@pytest.fixture
def ctx(folders: Folders) -> Context:
    return Context(folders, ModelStore("cpu"))


@pytest.fixture
def sd15(ctx: Context) -> Clip:
    return text_loaders.load_clip(ctx, clip_name="sd15_l.safetensors", type="stable_diffusion")


@pytest.fixture
def sdxl(ctx: Context) -> Clip:
    return text_loaders.load_clip_pair(
        ctx, clip_name1="sdxl_g.safetensors", clip_name2="sdxl_l.safetensors", type="sdxl"
    )


def test_encode(ctx: Context, sd15: Clip) -> None:
    (entry,) = text.encode_text(ctx, text="a (cat:1.2)", clip=sd15).entries
    assert entry.context.shape == (1, 77, 64)
    assert entry.context.dtype == torch.float32
    assert entry.pooled is not None
    assert entry.pooled.shape == (1, 64)
    assert entry.size == {}


def test_encode_sdxl(ctx: Context, sdxl: Clip, sd15: Clip) -> None:
    size = {"width": 1024, "height": 768, "crop_w": 8, "crop_h": 0, "target_width": 512, "target_height": 256}
    (entry,) = sdxl_nodes.encode_text_sdxl(ctx, clip=sdxl, text_g="a fox", text_l="light", **size).entries
    assert entry.context.shape == (1, 77, 160)
    assert entry.size == size
    with pytest.raises(InputInvalid, match="a CLIP of Stable Diffusion 1 and 2 lacks"):
        sdxl_nodes.encode_text_sdxl(ctx, clip=sd15, text_g="a", text_l="b")


def test_encode_refiner(ctx: Context) -> None:
    clip = text_loaders.load_clip(ctx, clip_name="sdxl_g.safetensors", type="stable_diffusion")
    (entry,) = sdxl_nodes.encode_text_sdxl_refiner(
        ctx, ascore=2.5, width=512, height=256, text="a cat", clip=clip
    ).entries
    assert entry.context.shape == (1, 77, 96)
    assert entry.size == {"aesthetic_score": 2.5, "width": 512, "height": 256}


def test_encode_for_controlnet(ctx: Context, sd15: Clip) -> None:
    own = text.encode_text(ctx, text="a dog", clip=sd15)
    given = text.encode_text(ctx, text="a cat", clip=sd15).set(extra={"kept": 1})
    (entry,) = text.encode_text_for_controlnet(ctx, clip=sd15, conditioning=given, text="a dog").entries
    assert torch.equal(entry.context, given.entries[0].context)
    assert torch.equal(entry.extra["cross_attn_controlnet"], own.entries[0].context)
    assert entry.extra["kept"] == 1
    assert given.entries[0].extra == {"kept": 1}


def test_set_last_layer(ctx: Context, sd15: Clip) -> None:
    skipped = text.set_last_layer(ctx, clip=sd15, stop_at_clip_layer=-2)
    assert (sd15.last_layer, skipped.last_layer) == (None, -2)
    assert skipped.weights is sd15.weights


def test_multiply_attention(ctx: Context, sdxl: Clip) -> None:
    changed = text.multiply_attention(ctx, clip=sdxl, q=1.5)
    assert [len(changed.patches_of(index)) for index in (0, 1)] == [1, 1]
    plain, other = (text.encode_text(ctx, text="a cat", clip=clip).entries[0].context for clip in (sdxl, changed))
    assert not torch.equal(plain, other)
    assert text.multiply_attention(ctx, clip=sdxl).weight_patches == ()


def test_loading_what_is_not_there(ctx: Context) -> None:
    with pytest.raises(ModelMissing, match="sd15_x"):
        text_loaders.load_clip(ctx, clip_name="sd15_x.safetensors", type="stable_diffusion")
    with pytest.raises(ModelUnreadable, match=r"'sdxl_l\.safetensors' and 'sd15_l\.safetensors' are both a CLIP-L"):
        text_loaders.load_clip_pair(ctx, clip_name1="sdxl_l.safetensors", clip_name2="sd15_l.safetensors", type="sdxl")


def test_what_encoders_are_decides_before_the_type(ctx: Context) -> None:
    names = {"clip_name1": "sdxl_l.safetensors", "clip_name2": "sdxl_g.safetensors"}
    assert text_loaders.load_clip_pair(ctx, **names, type="flux").texts == "sdxl"
    assert text_loaders.load_clip(ctx, clip_name="sd15_l.safetensors", type="wan").texts == "sd15"


def test_t5_padding_is_an_option_of_the_tokenizers(ctx: Context, sd15: Clip) -> None:
    changed = text.set_t5_padding(ctx, clip=sd15, min_padding=1, min_length=3)
    assert (changed.options, sd15.options) == ({"min_padding": 1, "min_length": 3}, {})


def fingerprint(name: str, ctx: Context, **literals: Any) -> Any:
    function = REGISTRY[name].fingerprint
    assert function is not None
    return call_with_known(function, ctx, literals)


def test_results_depend_on_embedding_files(tmp_path: Path) -> None:
    folder = tmp_path / "embeddings"
    folder.mkdir()
    for name in ("one", "two"):
        save_file({"emb_params": torch.ones(1, 4)}, folder / f"{name}.safetensors")
    ctx = Context(Folders({"embeddings": [folder]}), ModelStore("cpu"))

    def marks() -> list[Any]:
        return [
            fingerprint("CLIPTextEncode", ctx, text="a cat"),
            fingerprint("CLIPTextEncode", ctx, text="a (embedding:one:1.2)"),
            fingerprint("CLIPTextEncode", ctx),  # the text is linked
            fingerprint("CLIPTextEncodeSDXL", ctx, text_g="embedding:one,", text_l="embedding:two"),
            fingerprint("CLIPTextEncodeSDXLRefiner", ctx, text="embedding:two", ascore=6.0),
        ]

    before = marks()
    save_file({"emb_params": torch.zeros(2, 4)}, folder / "one.safetensors")
    after = marks()
    assert before[0] == after[0] == []
    assert [len(mark) for mark in after] == [0, 1, 2, 2, 1]
    assert [old != new for old, new in zip(before, after, strict=True)] == [False, True, True, True, False]


@pytest.mark.parametrize("name", ["CLIPLoader", "DualCLIPLoader"])
def test_the_device_input_is_optional(name: str) -> None:
    assert not REGISTRY[name].inputs["device"].required
    assert inspect.signature(REGISTRY[name].run).parameters["device"].default == "default"
