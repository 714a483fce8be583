"""LoRAs of each kind as patches of a network that is lent: on, together, and off again bit for bit."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from engine.model_store import ModelStore
from engine.weights import Weights
from nodes.diffusion.lora.layers import Difference, Generalized, Layer, LowRank, Magnitude, Replacement
from nodes.diffusion.lora.patch import LoraPatch
from nodes.diffusion.lora.rotations import BlockRotation, ButterflyRotation

NAME = "weight"
_generator = torch.Generator().manual_seed(1)


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=_generator)


KINDS: dict[str, Layer | Replacement] = {
    "low rank": LowRank(random(8, 2), random(2, 4), alpha=1.0),
    "generalized": Generalized(random(4, 2), random(2, 4), random(8, 2), random(2, 4)),
    "rotation": BlockRotation(random(2, 4, 4)),
    "butterfly": ButterflyRotation(random(2, 2, 4, 4), random(8, 1)),
    "magnitude": Magnitude(BlockRotation(random(2, 4, 4), 0.5), random(8, 1), gain=0.5),
    "difference": Difference(random(8, 4)),
    "replacement": Replacement(random(8, 4)),
}


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Linear(4, 8)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_each_kind_is_on_while_lent_and_off_bit_for_bit(kind: str, precision: str) -> None:
    store, handle = ModelStore("cpu", precision), Weights("a", network, "a net")
    patch = LoraPatch({NAME: KINDS[kind]}, 0.7, "a file")
    exact = network().get_parameter(NAME).detach()
    with store.lease(handle) as plain:
        before = plain.get_parameter(NAME).clone()
    with store.lease(handle, (patch,)) as patched:
        found = patched.get_parameter(NAME)
        assert torch.equal(found, patch.apply(NAME, exact).to(found.dtype))
        assert not torch.equal(found, before)
    with store.lease(handle) as plain:
        assert torch.equal(plain.get_parameter(NAME), before)


@pytest.mark.parametrize("kind", KINDS)
def test_a_patch_leaves_the_weight_that_it_is_given(kind: str) -> None:
    weight = torch.randn(8, 4)
    before = weight.clone()
    changed = LoraPatch({NAME: KINDS[kind]}, 1.0, "a file").apply(NAME, weight)
    assert torch.equal(weight, before)
    assert changed.data_ptr() != weight.data_ptr()


def test_a_rotation_turns_what_the_patches_before_it_left() -> None:
    store, handle = ModelStore("cpu", "float32"), Weights("a", network, "a net")
    patches = tuple(LoraPatch({NAME: KINDS[kind]}, 1.0, kind) for kind in ("low rank", "rotation"))
    expected = network().get_parameter(NAME).detach()
    for patch in patches:
        expected = patch.apply(NAME, expected)
    with store.lease(handle, patches) as patched:
        assert torch.equal(patched.get_parameter(NAME), expected)
