"""Convolutions whose weights are laid out once: the same result, where it pays, and as they are everywhere else."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from engine.computing import Computing
from engine.derived import Derived
from engine.model_store import ModelStore
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
