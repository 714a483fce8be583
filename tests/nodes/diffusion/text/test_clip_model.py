"""Text encoders built around the tensors of published layouts."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from engine.errors import ModelUnreadable
from nodes.diffusion.text.clip_model import head_count, text_encoder_from_state_dict
from nodes.families.clip_marks import clip_kind

from .conftest import MakeEncoder, as_openclip


def add_prefix(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in tensors.items()}


def equal(module: nn.Module, tensors: dict[str, Tensor]) -> bool:
    own = module.state_dict()
    return own.keys() == tensors.keys() and all(torch.equal(own[name], tensors[name]) for name in own)


@pytest.mark.parametrize(
    "prefix", ["", "cond_stage_model.transformer.", "conditioner.embedders.0.transformer.", "text_encoders.clip_l."]
)
def test_hugging_face_layouts(make_encoder: MakeEncoder, prefix: str) -> None:
    tensors = make_encoder().state_dict()
    module = text_encoder_from_state_dict(add_prefix(tensors, prefix), "clip_l")
    assert equal(module, tensors)


@pytest.mark.parametrize("prefix", ["", "conditioner.embedders.1.model.", "cond_stage_model.model.", "model."])
def test_openclip_layouts(make_encoder: MakeEncoder, prefix: str) -> None:
    tensors = make_encoder(96, 4, "gelu").state_dict()
    module = text_encoder_from_state_dict(add_prefix(as_openclip(tensors), prefix), "clip_g")
    assert equal(module, tensors)


def test_layouts_without_text_model(make_encoder: MakeEncoder) -> None:
    tensors = make_encoder().state_dict()
    flat = {name.removeprefix("text_model."): tensor for name, tensor in tensors.items()}
    assert equal(text_encoder_from_state_dict(add_prefix(flat, "cond_stage_model.transformer."), "clip_l"), tensors)


def test_tensors_are_not_copied(make_encoder: MakeEncoder) -> None:
    tensors = {name: tensor.half() for name, tensor in make_encoder().state_dict().items()}
    module = text_encoder_from_state_dict(tensors, "clip_l")
    assert {name: p.data_ptr() for name, p in module.named_parameters()} == {
        n: t.data_ptr() for n, t in tensors.items()
    }
    assert all(p.dtype == torch.float16 for p in module.parameters())


def test_without_a_projection_pooled_is_not_projected(make_encoder: MakeEncoder) -> None:
    tensors = make_encoder().state_dict()
    del tensors["text_projection.weight"]
    # Position ids in half precision are wrong in some published files; they are not read.
    tensors["text_model.embeddings.position_ids"] = torch.zeros(1, 77)
    module: Any = text_encoder_from_state_dict(tensors, "clip_l")
    assert isinstance(module.text_projection, nn.Identity)
    assert not any(tensor.is_meta for tensor in (*module.parameters(), *module.buffers()))


def test_dimensions_come_from_shapes(make_encoder: MakeEncoder) -> None:
    shape = text_encoder_from_state_dict(make_encoder(48, 5, positions=248).state_dict(), "clip_l").shape
    assert (shape.width, shape.layers, shape.mlp_width) == (48, 5, 96)
    assert (shape.positions, shape.heads, shape.activation) == (248, 3, "quick_gelu")
    shape = text_encoder_from_state_dict(make_encoder().state_dict(), "clip_g").shape
    assert (shape.activation, shape.heads) == ("gelu", 4)


@pytest.mark.parametrize(
    ("width", "heads"), [(768, 12), (1024, 16), (1280, 20), (96, 4), (64, 4), (48, 3), (32, 2), (8, 1)]
)
def test_heads(width: int, heads: int) -> None:
    assert head_count(width) == heads


def test_heads_divide_the_width() -> None:
    assert all(width % head_count(width) == 0 for width in range(1, 2000))
    counts = [head_count(width) for width in range(64, 2049, 64)]
    assert counts == sorted(counts)


@pytest.mark.parametrize(
    ("layers", "openclip", "kind"),
    [
        (12, False, "l"),
        (3, False, "l"),
        (3, True, "g"),
        (23, False, "h"),
        (24, True, "h"),
        (32, True, "g"),
        (32, False, "g"),
    ],
)
def test_kinds(make_encoder: MakeEncoder, layers: int, openclip: bool, kind: str) -> None:
    tensors = make_encoder(16, layers).state_dict()
    shapes = {name: tuple(t.shape) for name, t in (as_openclip(tensors) if openclip else tensors).items()}
    assert clip_kind(shapes) == f"clip_{kind}"
    assert clip_kind({"vision_model." + name: shape for name, shape in shapes.items()}) is None


def test_what_is_missing_is_named(make_encoder: MakeEncoder) -> None:
    whole = make_encoder().state_dict()
    without = {name: t for name, t in whole.items() if name != "text_model.encoder.layers.1.mlp.fc2.bias"}
    with pytest.raises(ModelUnreadable, match=r"'file'.*layers\.1\.mlp\.fc2\.bias"):
        text_encoder_from_state_dict(without, "clip_l", "file")
    with pytest.raises(ModelUnreadable, match=r"shape \(3,\) of 'text_model.final_layer_norm.weight'"):
        text_encoder_from_state_dict({**whole, "text_model.final_layer_norm.weight": torch.ones(3)}, "clip_l", "file")
    table = "text_model.embeddings.token_embedding.weight"
    with pytest.raises(ModelUnreadable, match="knows 100 tokens"):
        text_encoder_from_state_dict({**whole, table: whole[table][:100]}, "clip_l", "file")
    with pytest.raises(ModelUnreadable, match="no complete CLIP"):
        text_encoder_from_state_dict({n: t for n, t in whole.items() if "layers" not in n}, "clip_l", "file")
    with pytest.raises(ModelUnreadable, match="no CLIP text encoder"):
        text_encoder_from_state_dict({"shared.weight": torch.ones(3, 3)}, "clip_l", "file")
