"""Which tensors of a file become which change, and what is told or refused."""

from __future__ import annotations

import logging

import pytest
import torch
from torch import Tensor

from engine.errors import ModelUnreadable
from nodes.diffusion.lora.layers import (
    Difference,
    Generalized,
    Hadamard,
    Kronecker,
    LowRank,
    Magnitude,
    Replacement,
)
from nodes.diffusion.lora.patch import LoraPatch
from nodes.diffusion.lora.reading import read_layers
from nodes.diffusion.lora.rotations import BlockRotation, ButterflyRotation

LOW_RANK = {"m.lora_up.weight": torch.ones(4, 2), "m.lora_down.weight": torch.ones(2, 4)}
HADAMARD = {f"m.hada_w{i}_{x}": torch.ones(shape) for i in (1, 2) for x, shape in (("a", (4, 2)), ("b", (2, 4)))}
KRONECKER = {"m.lokr_w1": torch.ones(2, 2), "m.lokr_w2": torch.ones(2, 2)}
GENERALIZED = {f"m.{x}.weight": torch.ones(4, 4) for x in ("a1", "a2", "b1", "b2")}
ROTATION = {"m.oft_blocks": torch.ones(2, 2, 2)}
BUTTERFLY = {"m.oft_blocks": torch.ones(1, 2, 2, 2)}
IN_ORDER = [
    ({"m.set_weight": torch.ones(4, 4)}, Replacement),
    ({"m.diff": torch.ones(4, 4)}, Difference),
    ({"m.w_norm": torch.ones(4, 4)}, Difference),
    (ROTATION, BlockRotation),
    (BUTTERFLY, ButterflyRotation),
    (GENERALIZED, Generalized),
    (KRONECKER, Kronecker),
    (HADAMARD, Hadamard),
    (LOW_RANK, LowRank),
]


@pytest.mark.parametrize("first", range(len(IN_ORDER)))
def test_of_several_kinds_in_one_module_the_same_counts_as_in_comfyui(first: int) -> None:
    tensors: dict[str, Tensor] = {}
    for parts, _ in reversed(IN_ORDER[first:]):
        tensors |= parts
    if IN_ORDER[first][1] is not BlockRotation and "m.oft_blocks" in tensors:
        tensors |= BUTTERFLY
    assert type(read_layers(tensors, "x")["m", "weight"]) is IN_ORDER[first][1]


@pytest.mark.parametrize("kind", range(3, len(IN_ORDER)))
def test_a_magnitude_goes_with_every_factored_kind(kind: int) -> None:
    layer = read_layers(IN_ORDER[kind][0] | {"m.dora_scale": torch.ones(4, 1)}, "x")["m", "weight"]
    assert isinstance(layer, Magnitude)
    assert type(layer.layer) is IN_ORDER[kind][1]


def test_a_difference_has_no_magnitude() -> None:
    layers = read_layers({"m.diff": torch.ones(4, 4), "m.dora_scale": torch.ones(4, 1)}, "x")
    assert isinstance(layers["m", "weight"], Difference)


@pytest.mark.parametrize("part", ["diff_b", "b_norm"])
def test_a_bias_beside_its_weight(part: str) -> None:
    layers = read_layers(LOW_RANK | {f"m.{part}": torch.ones(4)}, "x")
    assert {key: type(layer) for key, layer in layers.items()} == {("m", "weight"): LowRank, ("m", "bias"): Difference}


@pytest.mark.parametrize(("part", "kind"), [("diff", Difference), ("set_weight", Replacement)])
def test_a_bias_that_is_a_module_of_the_generic_form(part: str, kind: type) -> None:
    layers = read_layers({f"diffusion_model.out.2.bias.{part}": torch.ones(4)}, "x")
    assert {key: type(layer) for key, layer in layers.items()} == {("diffusion_model.out.2", "bias"): kind}


@pytest.mark.parametrize("strength", [1.0, -0.3])
def test_a_replacement_is_the_new_value_at_any_strength(strength: float) -> None:
    value, weight = torch.randn(4, 4).half(), torch.randn(4, 4)
    patch = LoraPatch({"w": Replacement(value)}, strength, "x")
    assert torch.equal(patch.apply("w", weight), value.float())


@pytest.mark.parametrize("names", [("lora_B", "lora_A"), ("lora_B.weight", "lora_A.weight")])
def test_names_with_and_without_weight(names: tuple[str, str]) -> None:
    up, down = torch.randn(4, 2), torch.randn(2, 3)
    layer = read_layers({f"m.{names[0]}": up, f"m.{names[1]}": down}, "x")["m", "weight"]
    assert isinstance(layer, LowRank)
    assert layer.up is up
    assert layer.down is down


def test_a_widened_shape_fits_only_where_it_is_the_weights_own() -> None:
    shape = torch.tensor([4, 4])
    layers = read_layers(LOW_RANK | {"m.reshape_weight": shape}, "x")
    patch = LoraPatch({"w": layers["m", "weight"]}, 1.0, "x")
    assert torch.equal(patch.apply("w", torch.zeros(4, 4)), torch.full((4, 4), 2.0))
    with pytest.raises(RuntimeError):
        patch.apply("w", torch.zeros(4, 2))


def test_tensors_of_no_known_kind_are_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        read_layers(LOW_RANK | {"m.oft_R.weight": torch.ones(2)}, "some.safetensors")
    assert "some.safetensors" in caplog.text
    assert "m.oft_R.weight" in caplog.text


@pytest.mark.parametrize(
    ("tensors", "problem"),
    [
        ({"m.a1.weight": torch.ones(4, 4), "m.b1.weight": torch.ones(4, 4)}, "module 'm' lacks its part 'a2'"),
        ({"m.lora_up.weight": torch.ones(4, 2)}, "module 'm' lacks its part 'down'"),
        ({"m.oft_blocks": torch.ones(2, 2)}, r"module 'm' has oft_blocks of shape \(2, 2\)"),
        ({"m.oft_blocks": torch.ones(2, 2, 3)}, r"module 'm' has oft_blocks of shape \(2, 2, 3\)"),
        (LOW_RANK | {"m.alpha": torch.ones(2)}, r"module 'm' has an alpha of shape \(2,\)"),
        ({"m.weight": torch.ones(2, 2)}, "holds no LoRA"),
    ],
)
def test_what_is_half_or_malformed_is_refused(tensors: dict[str, Tensor], problem: str) -> None:
    with pytest.raises(ModelUnreadable, match=problem):
        read_layers(tensors, "x")
