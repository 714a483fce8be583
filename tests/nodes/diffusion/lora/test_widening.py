"""LoRAs that widen a transformer's first layer for a picture to follow."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from engine.model_store import ModelStore
from engine.weights import Weights
from nodes.diffusion.lora.layers import LowRank
from nodes.diffusion.lora.loading import apply_lora
from nodes.diffusion.lora.patch import LoraPatch
from nodes.diffusion.parameterization import flow
from nodes.families.found import families
from nodes.values import Model


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def test_a_widened_weight_is_zero_where_it_is_new() -> None:
    layer = LowRank(random(4, 2), random(2, 10))
    patch = LoraPatch({"w": layer}, 0.5, "file", {"w": (4, 10)})
    weight = random(4, 6)
    found = patch.apply("w", weight)
    assert torch.allclose(found[:, :6], weight + 0.5 * (layer.up @ layer.down)[:, :6])
    assert torch.allclose(found[:, 6:], 0.5 * (layer.up @ layer.down)[:, 6:])


class Net(nn.Module):
    """A network with the projections of one attention apart, and a first layer that pictures may widen."""

    def __init__(self) -> None:
        super().__init__()
        self.x_embedder = nn.Linear(4, 6)
        self.context_embedder = nn.Linear(5, 6)


def test_files_that_control_by_a_picture(tmp_path: Path) -> None:
    """They widen the first layer, set norms, and add to biases."""
    family = families()["flux"]
    net = Net()
    weights = Weights("net", lambda: net)
    model = Model(weights, family, flow(), family.space, None)
    down, up = random(2, 8), random(6, 2)
    tensors = {
        "img_in.lora_A.weight": down,
        "img_in.lora_B.weight": up,
        "img_in.lora_B.bias": torch.ones(6),
        "txt_in.lora_A.weight": random(2, 9),
        "txt_in.lora_B.weight": random(6, 2),
    }
    save_file(tensors, tmp_path / "control.safetensors")
    store, notes = ModelStore("cpu"), list[str]()
    changed, _ = apply_lora(
        store, model, None, tmp_path / "control.safetensors", strength_model=1.0, strength_clip=1.0, note=notes.append
    )
    with store.lease(changed.weights, changed.weight_patches) as module:
        assert isinstance(module, Net)
        assert torch.allclose(module.x_embedder.weight[:, 4:], (up @ down)[:, 4:], atol=1e-6)
        assert torch.allclose(module.x_embedder.bias, net.x_embedder.bias + 1)
        assert torch.equal(module.context_embedder.weight, net.context_embedder.weight)
    assert any("another shape" in note and "txt_in" in note for note in notes)
    with store.lease(changed.weights) as module:
        assert isinstance(module, Net)
        assert module.x_embedder.weight.shape == (6, 4)
