"""Prompts to conditionings, over each family's encoders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from engine.errors import InputInvalid, ModelUnreadable
from engine.model_store import ModelStore
from nodes.diffusion.text import load_clip, scale_attention
from nodes.diffusion.text.clip import Prompts
from nodes.values import Clip

from .conftest import MakeEncoder, as_openclip


@pytest.fixture
def files(tmp_path: Path, make_encoder: MakeEncoder) -> dict[str, Path]:
    """Encoders in files of their own, by what they are."""

    def contiguous(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: tensor.contiguous() for name, tensor in tensors.items()}

    contents = {
        "l": make_encoder().state_dict(),
        "h": make_encoder(32, 23).state_dict(),
        "g": as_openclip(make_encoder(96, 3).state_dict()),
        "long": make_encoder(64, 3, positions=248).state_dict(),
        "t5": {"shared.weight": torch.ones(4, 4)},
    }
    paths = {name: tmp_path / f"{name}.safetensors" for name in contents}
    for name, tensors in contents.items():
        save_file(contiguous(tensors), paths[name])
    return paths


@pytest.fixture
def models() -> ModelStore:
    return ModelStore("cpu")


def encode(models: ModelStore, clip: Clip, text: Prompts, embeddings: Sequence[Path] = ()) -> Encoded:
    """What the family of ``clip`` makes of a prompt."""
    found = clip.family.text.encode(models, clip, text, embeddings)
    assert found.pooled is not None
    return Encoded(found.context, found.pooled)


class Encoded(NamedTuple):
    context: Tensor
    pooled: Tensor


def parts(context: Tensor) -> tuple[Tensor, Tensor]:
    """What an SDXL context holds of its two encoders."""
    return context[..., :64], context[..., 64:]


def test_families_of_single_encoders(files: dict[str, Path], models: ModelStore) -> None:
    for kind, texts, width in (("l", "sd15", 64), ("h", "sd2", 32), ("g", "sdxl_refiner", 96)):
        clip = load_clip([files[kind]])
        assert clip.texts == texts
        context, pooled = encode(models, clip, "a cat")
        assert (context.shape, pooled.shape) == ((1, 77, width), (1, width))


def test_sdxl_joins_both_encoders(files: dict[str, Path], models: ModelStore) -> None:
    both = load_clip([files["g"], files["l"]])
    assert both.texts == "sdxl"
    context, pooled = encode(models, both, "a (cat:1.2)")
    assert context.shape == (1, 77, 160)
    first, second = parts(context)
    big, big_pooled = encode(models, load_clip([files["g"]]), "a (cat:1.2)")
    assert torch.equal(second, big)
    assert torch.equal(pooled, big_pooled)
    small = replace(both, weights=both.weights[:1], kinds=both.kinds[:1])
    assert torch.equal(first, encode(models, small, "a (cat:1.2)").context)


def test_the_shorter_of_two_prompts_is_filled_up(files: dict[str, Path], models: ModelStore) -> None:
    both = load_clip([files["l"], files["g"]])
    long = "cat " * 80
    context, _ = encode(models, both, {"clip_g": "a fox", "clip_l": long})
    assert context.shape == (1, 154, 160)
    first, second = parts(context)
    empty = parts(encode(models, both, "").context)
    assert torch.equal(second[:, 77:], empty[1])
    assert torch.equal(first, parts(encode(models, both, long).context)[0])
    context, _ = encode(models, both, {"clip_g": long, "clip_l": "a fox"})
    assert torch.equal(parts(context)[0][:, 77:], empty[0])


def test_a_refiner_gets_as_many_chunks_as_its_base(files: dict[str, Path], models: ModelStore) -> None:
    refiner = load_clip([files["g"]])
    context, _ = encode(models, refiner, {"clip_g": "a fox", "clip_l": "cat " * 80})
    assert context.shape == (1, 154, 96)


def test_other_families_refuse_prompts_for_sdxl(files: dict[str, Path], models: ModelStore) -> None:
    with pytest.raises(InputInvalid, match="a CLIP of Stable Diffusion 1 and 2 lacks"):
        encode(models, load_clip([files["h"]]), {"clip_g": "a", "clip_l": "b"})


def test_clip_skip(files: dict[str, Path], models: ModelStore) -> None:
    for paths in ([files["l"]], [files["l"], files["g"]]):
        clip = load_clip(paths)
        usual, pooled = encode(models, clip, "a cat")
        layers = {layer: encode(models, replace(clip, last_layer=layer), "a cat") for layer in (-1, -2, -3, -24)}
        default = -2 if len(paths) == 2 else -1
        assert torch.equal(layers[default].context, usual)
        assert len({encoded.context.sum().item() for encoded in layers.values()}) == (4 if len(paths) == 2 else 3)
        assert all(torch.equal(encoded.pooled, pooled) for encoded in layers.values())


def test_encoders_with_more_positions_read_longer_chunks(files: dict[str, Path], models: ModelStore) -> None:
    assert encode(models, load_clip([files["long"]]), "cat " * 200).context.shape == (1, 248, 64)
    # Joined with an encoder of 77 positions, what both have is kept.
    assert encode(models, load_clip([files["long"], files["g"]]), "cat " * 80).context.shape == (1, 154, 160)


def test_scaling_attention(files: dict[str, Path], models: ModelStore) -> None:
    clip = load_clip([files["l"], files["g"]])
    plain = encode(models, clip, "a cat")
    assert scale_attention(models, clip, {"q_proj": 1.0, "out_proj": 1.0}).weight_patches == ()
    silent = scale_attention(models, clip, {"v_proj": 0.0})
    muted = scale_attention(models, clip, {"out_proj": 0.0})
    # Values of nothing leave the output projection's bias; an output of nothing leaves nothing.
    assert not torch.equal(encode(models, silent, "a cat").context, encode(models, muted, "a cat").context)
    changed = encode(models, scale_attention(models, clip, {"q_proj": 2.0, "k_proj": 0.5}), "a cat")
    assert (changed.context - plain.context).norm() < 1e-4 * plain.context.norm()
    assert torch.equal(encode(models, clip, "a cat").context, plain.context)
    with models.lease(muted.weights[0], muted.patches_of(0)) as module:
        attention = module.text_model.encoder.layers[1].self_attn
        assert not attention.out_proj.weight.any()
        assert not attention.out_proj.bias.any()
        assert attention.v_proj.weight.any()


def test_equal_files_are_one_network(files: dict[str, Path], models: ModelStore, tmp_path: Path) -> None:
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(files["l"].read_bytes())
    first, second = load_clip([files["l"]]), load_clip([copy])
    assert first.weights[0].key == second.weights[0].key
    assert first.weights[0].key != load_clip([files["long"]]).weights[0].key


@pytest.mark.parametrize("names", [["t5"], ["l", "l"], ["l", "h"], ["l", "t5"]])
def test_files_that_do_not_go_together(files: dict[str, Path], names: list[str]) -> None:
    with pytest.raises(ModelUnreadable):
        load_clip([files[name] for name in names])


def test_embeddings_reach_the_encoder(files: dict[str, Path], models: ModelStore, tmp_path: Path) -> None:
    clip: Clip = load_clip([files["l"], files["g"]])
    folder = tmp_path / "embeddings"
    folder.mkdir()
    save_file({"clip_l": torch.ones(2, 64), "clip_g": torch.ones(2, 96)}, folder / "both.safetensors")
    save_file({"emb_params": torch.ones(2, 64)}, folder / "small.safetensors")
    plain = parts(encode(models, clip, "a").context)
    both = parts(encode(models, clip, "a embedding:both", [folder]).context)
    small = parts(encode(models, clip, "a embedding:small", [folder]).context)
    assert torch.equal(small[0], both[0])
    assert torch.equal(small[1], plain[1])
    assert not torch.equal(both[0], plain[0])
    assert not torch.equal(both[1], plain[1])
