"""Which tensors of a file become which change, and what is left out and told."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

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
    assert type(read_layers(tensors).layers["m", "weight"]) is IN_ORDER[first][1]


@pytest.mark.parametrize("kind", range(3, len(IN_ORDER)))
def test_a_magnitude_goes_with_every_factored_kind(kind: int) -> None:
    layer = read_layers(IN_ORDER[kind][0] | {"m.dora_scale": torch.ones(4, 1)}).layers["m", "weight"]
    assert isinstance(layer, Magnitude)
    assert type(layer.layer) is IN_ORDER[kind][1]


def test_a_difference_has_no_magnitude() -> None:
    layers = read_layers({"m.diff": torch.ones(4, 4), "m.dora_scale": torch.ones(4, 1)}).layers
    assert isinstance(layers["m", "weight"], Difference)


@pytest.mark.parametrize("part", ["diff_b", "b_norm"])
def test_a_bias_beside_its_weight(part: str) -> None:
    layers = read_layers(LOW_RANK | {f"m.{part}": torch.ones(4)}).layers
    assert {key: type(layer) for key, layer in layers.items()} == {("m", "weight"): LowRank, ("m", "bias"): Difference}


@pytest.mark.parametrize(("part", "kind"), [("diff", Difference), ("set_weight", Replacement)])
def test_a_bias_that_is_a_module_of_the_generic_form(part: str, kind: type) -> None:
    layers = read_layers({f"diffusion_model.out.2.bias.{part}": torch.ones(4)}).layers
    assert {key: type(layer) for key, layer in layers.items()} == {("diffusion_model.out.2", "bias"): kind}


@pytest.mark.parametrize("strength", [1.0, -0.3])
def test_a_replacement_is_the_new_value_at_any_strength(strength: float) -> None:
    value, weight = torch.randn(4, 4).half(), torch.randn(4, 4)
    patch = LoraPatch({"w": Replacement(value)}, strength, "x")
    assert torch.equal(patch.apply("w", weight), value.float())


@pytest.mark.parametrize("names", [("lora_B", "lora_A"), ("lora_B.weight", "lora_A.weight")])
def test_names_with_and_without_weight(names: tuple[str, str]) -> None:
    up, down = torch.randn(4, 2), torch.randn(2, 3)
    layer = read_layers({f"m.{names[0]}": up, f"m.{names[1]}": down}).layers["m", "weight"]
    assert isinstance(layer, LowRank)
    assert layer.up is up
    assert layer.down is down


def test_a_widened_shape_fits_only_where_it_is_the_weights_own() -> None:
    shape = torch.tensor([4, 4])
    layers = read_layers(LOW_RANK | {"m.reshape_weight": shape}).layers
    patch = LoraPatch({"w": layers["m", "weight"]}, 1.0, "x")
    assert torch.equal(patch.apply("w", torch.zeros(4, 4)), torch.full((4, 4), 2.0))
    with pytest.raises(RuntimeError):
        patch.apply("w", torch.zeros(4, 2))


@pytest.mark.parametrize(
    "strange", ["m.oft_R.weight", "m.magnitude", "lora_unet_m.on_input", "lora_unet_m.weight", "first_stage_model.x"]
)
def test_tensors_of_no_known_kind_are_left_out_and_told(strange: str) -> None:
    found = read_layers(LOW_RANK | {strange: torch.ones(2)})
    assert set(found.layers) == {("m", "weight")}
    assert found.left_out == (f"1 tensor of kinds that are not applied, left out: {strange}",)


def test_many_strange_tensors_are_counted() -> None:
    found = read_layers({f"{place}.weight": torch.ones(1) for place in range(2000)})
    assert found.layers == {}
    (told,) = found.left_out
    assert told.startswith("2000 tensors")
    assert len(told) < 200


@pytest.mark.parametrize(
    ("tensors", "problem"),
    [
        ({"n.a1.weight": torch.ones(4, 4), "n.b1.weight": torch.ones(4, 4)}, "module 'n' lacks its part 'a2'"),
        ({"n.lora_up.weight": torch.ones(4, 2)}, "module 'n' lacks its part 'down'"),
        ({"n.oft_blocks": torch.ones(2, 2)}, "module 'n' has oft_blocks of shape (2, 2)"),
        ({"n.oft_blocks": torch.ones(2, 2, 3)}, "module 'n' has oft_blocks of shape (2, 2, 3)"),
        (
            {f"n.{part}.weight": torch.ones(2, 2) for part in ("lora_up", "lora_down")} | {"n.alpha": torch.ones(2)},
            "module 'n' has an alpha of shape (2,)",
        ),
    ],
)
def test_what_is_half_or_malformed_is_left_out_and_told(tensors: dict[str, Tensor], problem: str) -> None:
    found = read_layers(LOW_RANK | tensors)
    assert set(found.layers) == {("m", "weight")}
    (told,) = found.left_out
    assert told.startswith(problem)


def test_of_many_broken_modules_a_few_are_named() -> None:
    found = read_layers({f"{place}.lora_up.weight": torch.ones(4, 2) for place in range(12)})
    assert len(found.left_out) == 6
    assert found.left_out[-1] == "7 more modules like these, left out"
