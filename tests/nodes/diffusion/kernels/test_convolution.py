"""Convolutions whose weights are laid out once: the same result, where it pays, and as they are everywhere else."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from engine.computing import Computing
from engine.derived import Derived
from engine.model_store import ModelStore
from engine.stored import cast_when_used
from engine.weights import Weights
from nodes.diffusion import backend
from nodes.diffusion.kernels.convolution import LaidOutOnce, can_be_laid_out

pytestmark = pytest.mark.skipif(not can_be_laid_out(), reason="this torch has no oneDNN")
CPU = torch.device("cpu")


def run(layer: nn.Module, x: Tensor, layouts: Derived) -> Tensor:
    with torch.no_grad(), LaidOutOnce(layouts):
        made: Tensor = layer(x)
    return made


def convolution(channels: int = 512, dtype: torch.dtype = torch.float32, **options: Any) -> nn.Conv2d:
    torch.manual_seed(0)
    return nn.Conv2d(channels, 480, 3, **options).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("options", [{"padding": 1}, {"padding": 1, "stride": 2}, {"bias": False}, {"dilation": 2}])
def test_the_result_is_the_same(dtype: torch.dtype, options: dict[str, Any]) -> None:
    layer, layouts = convolution(dtype=dtype, **options), Derived(lambda: 10**9)
    for side in (6, 9, 5):  # laid out for the first, right for all
        x = torch.randn(2, 512, side, side).to(dtype)
        with torch.no_grad():
            expected = layer(x).float()
        close = 1e-5 if dtype is torch.float32 else 1e-2
        assert (run(layer, x, layouts).float() - expected).norm() <= close * expected.norm()
    assert layouts.bytes == layer.weight.nbytes


@pytest.mark.parametrize(
    ("layer", "side"),
    [
        (convolution(channels=64, padding=1), 4),  # few weights
        (convolution(padding=1), 64),  # many pixels
        (convolution(padding="same"), 4),
        (nn.Conv1d(1024, 1024, 1), 4),
    ],
)
def test_others_are_computed_as_they_are(layer: nn.Conv2d, side: int) -> None:
    layouts = Derived(lambda: 10**9)
    x = torch.randn(1, layer.in_channels, side, side) if isinstance(layer, nn.Conv2d) else torch.randn(1, 1024, side)
    with torch.no_grad():
        assert torch.equal(run(layer, x, layouts), layer(x))
    assert layouts.bytes == 0


def test_without_room_they_are_computed_as_they_are() -> None:
    layer, x = convolution(padding=1), torch.randn(1, 512, 4, 4)
    with torch.no_grad():
        assert torch.equal(run(layer, x, Derived(lambda: 0)), layer(x))


def test_large_networks_on_a_cpu_are_computed_so() -> None:
    models = ModelStore("cpu")
    large, small = (Weights("one", nn.Identity, heavy=heavy) for heavy in (True, False))
    assert backend.chosen(models, large).layouts is models.derived
    assert backend.chosen(models, small).layouts is None
    assert backend.backend_for(CPU, Computing(compile="default"), models.derived).layouts is None
    layer, x = convolution(padding=1), torch.randn(1, 512, 4, 4)
    with torch.no_grad(), backend.using(backend.chosen(models, large)):
        layer(x)
    assert models.derived.bytes == layer.weight.nbytes


class TestAsStored:
    """Kernels of a large network that its file has in another format: read when they are laid out, copied once."""

    @staticmethod
    def lent(dtype: torch.dtype, **options: Any) -> tuple[nn.Conv2d, Weights]:
        layer = convolution(dtype=dtype, padding=1, **options)
        return layer, Weights("stored", lambda: copy.deepcopy(layer), heavy=True)

    @pytest.mark.parametrize("side", [5, 64])  # laid out, and too many pixels for that
    def test_results_are_those_of_weights_cast_before(self, side: int) -> None:
        layer, weights = self.lent(torch.float16)
        cast = copy.deepcopy(layer).float()
        x = torch.randn(1, 512, side, side)
        store = ModelStore("cpu", precision="float32")
        with store.lease(weights) as network, backend.using(backend.chosen(store, weights)), torch.no_grad():
            assert cast_when_used(network.weight)
            before = store.held_bytes
            found = [network(x) for _ in range(2)]
            assert store.held_bytes - before == 4 * layer.weight.numel(), "one copy, whichever it is"
        for made in found:
            assert torch.equal(made, run(cast, x, Derived(lambda: 10**9)))

    def test_without_room_or_patched_they_are_right_too(self) -> None:
        layer, weights = self.lent(torch.float16)
        cast, x = copy.deepcopy(layer).float(), torch.randn(1, 512, 4, 4)
        store = ModelStore("cpu", precision="float32", ram_budget_bytes=0)
        with store.lease(weights) as network, backend.using(backend.chosen(store, weights)), torch.no_grad():
            assert torch.equal(network(x), cast(x))
        with store.lease(weights, [Doubled()]) as network, torch.no_grad():
            assert not cast_when_used(network.weight)
            assert torch.equal(network.weight, cast.weight * 2)
        store.move_to("cpu", "bfloat16")
        with store.lease(weights) as network, torch.no_grad():
            assert torch.equal(network.weight + 0, layer.weight.to(torch.bfloat16))

    def test_weights_of_the_right_format_and_small_ones_stay_plain(self) -> None:
        for weights in (self.lent(torch.float32)[1], Weights("small", lambda: nn.Conv2d(8, 8, 3).half(), heavy=True)):
            with ModelStore("cpu", precision="float32").lease(weights) as network:
                assert type(network.weight) is nn.Parameter


class Doubled:
    """A patch of the weight."""

    key = "doubled"

    def names(self) -> frozenset[str]:
        return frozenset({"weight"})

    def apply(self, name: str, weight: Tensor) -> Tensor:
        return weight * 2
