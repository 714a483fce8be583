"""T2I adapters, full and light, against diffusers' own; where their features go, and which denoisers they fit."""

from __future__ import annotations

import re
from contextlib import ExitStack, nullcontext
from pathlib import Path

import pytest
import torch
from diffusers import T2IAdapter
from safetensors.torch import save_file
from torch import Tensor

from engine.context import Context
from engine.errors import InputInvalid
from engine.folders import Folders
from engine.model_store import ModelStore
from engine.weights import Weights
from nodes.diffusion.checkpoints import load_unet
from nodes.diffusion.control import check_fit, lease, load_control_net
from nodes.diffusion.control.adapters import EvenPool
from nodes.diffusion.control.call import ControlCall
from nodes.diffusion.control.network import control_residuals
from nodes.diffusion.parameterization import discrete
from nodes.diffusion.unet import ControlResiduals
from nodes.families.found import families
from nodes.values import Control, ControlNet, Model


def unet() -> Model:
    """A model of a UNet, as far as ControlNets ask for it."""
    family = families()["sd"]
    return Model(Weights("none", torch.nn.Identity), family, discrete(), family.space)


def added(net: ControlNet, hint: Tensor) -> ControlResiduals:
    """What the adapter adds for a picture."""
    x = torch.zeros(1, 4, hint.shape[2] // 8, hint.shape[3] // 8)
    with ModelStore("cpu").lease(net.weights) as module, torch.no_grad():
        return control_residuals(net, module, x, hint, torch.zeros(1), torch.zeros(1, 1, 8), None)


def write(module: T2IAdapter, path: Path, layout: str) -> None:
    """Random weights that are not zero anywhere, under diffusers' names or the authors'."""
    generator = torch.Generator().manual_seed(5)
    tensors = {k: 0.2 * torch.randn(v.shape, generator=generator) for k, v in module.state_dict().items()}
    module.load_state_dict(tensors)
    if layout == "original":
        name_of = _original_light_name if module.config.adapter_type == "light_adapter" else _original_name
        tensors = {name_of(name): tensor for name, tensor in tensors.items()}
    save_file(tensors, path)


@pytest.mark.parametrize("layout", ["diffusers", "original"])
@pytest.mark.parametrize("kind", ["full_adapter", "full_adapter_xl"])
def test_an_adapters_features_go_into_the_blocks_it_was_trained_for(tmp_path: Path, kind: str, layout: str) -> None:
    factor = 16 if kind == "full_adapter_xl" else 8
    module = T2IAdapter(3, [32, 64, 64, 64], 2, factor, kind)
    write(module, tmp_path / "adapter.safetensors", layout)
    net = load_control_net(tmp_path / "adapter.safetensors")
    hint = torch.rand(1, 3, 128, 128)
    ours = added(net, hint)
    with torch.no_grad():
        features = module(hint)
    blocks = (3, 5, 8) if kind == "full_adapter_xl" else (2, 5, 8, 11)
    placed = {block: feature for block, feature in enumerate(ours.inputs) if feature is not None}
    assert tuple(placed) == blocks
    for feature, block in zip(features, blocks, strict=False):
        torch.testing.assert_close(placed[block], feature)
    assert (ours.middle is None) == (kind == "full_adapter")


def _original_light_name(name: str) -> str:
    return re.sub(r"\.(\d+)\.resnets\.", r".\1.body.", name.removeprefix("adapter."))


def _original_name(name: str) -> str:
    name = name.removeprefix("adapter.")
    if not name.startswith("body."):
        return name
    _, level, kind, *rest = name.split(".")
    if kind == "in_conv":
        return f"body.{int(level) * 2}.in_conv.{rest[0]}"
    return f"body.{int(level) * 2 + int(rest[0])}.{'.'.join(rest[1:])}"


@pytest.mark.parametrize("layout", ["diffusers", "original"])
def test_a_light_adapter(tmp_path: Path, layout: str) -> None:
    module = T2IAdapter(3, [32, 64, 64], 4, 8, "light_adapter")
    write(module, tmp_path / "adapter.safetensors", layout)
    net = load_control_net(tmp_path / "adapter.safetensors")
    hint = torch.rand(1, 3, 128, 64)
    ours = added(net, hint)
    with torch.no_grad():
        features = module(hint)
    placed = {block: feature for block, feature in enumerate(ours.inputs) if feature is not None}
    assert tuple(placed) == (2, 5, 8, 11)
    for feature, block in zip(features, placed, strict=True):
        torch.testing.assert_close(placed[block], feature)


def test_sdxls_adapters_get_pictures_of_a_multiple_of_sixteen(tmp_path: Path) -> None:
    save_file(T2IAdapter(3, [32, 64, 64, 64], 2, 16, "full_adapter_xl").state_dict(), tmp_path / "a.safetensors")
    net = load_control_net(tmp_path / "a.safetensors")
    given = ControlCall(torch.zeros(2, 4, 9, 13), torch.zeros(2), {"context": torch.zeros(2, 1, 8)}, 1, 1.0)
    chain = Control(net, torch.rand(1, 3, 70, 100))
    with ExitStack() as leases, torch.no_grad():
        made = lease(Context(Folders(), ModelStore("cpu")), [chain], unet(), leases)(chain, given)
    assert made
    assert [None if each is None else tuple(each.shape[2:]) for each in made.inputs] == [
        *[None] * 3, (5, 7), None, (5, 7), None, None, (3, 4)
    ]  # fmt: skip


def test_odd_sides_are_pooled_between_zeros() -> None:
    pooled = EvenPool()(torch.ones(1, 1, 3, 4))
    assert pooled.tolist() == [[[[0.5, 0.5], [1.0, 1.0]]]]
    assert EvenPool()(torch.ones(1, 1, 3, 3)).tolist() == [[[[0.25, 0.5], [0.5, 1.0]]]]


@pytest.mark.parametrize("fits", [True, False])
def test_adapters_fit_where_their_features_can_be_added(models_dir: Path, tmp_path: Path, fits: bool) -> None:
    model = load_unet(models_dir / "checkpoints" / "tiny_sd15.safetensors")
    levels = re.compile(r"down_blocks\.\d+\.resnets\.0\.conv1\.weight")
    shapes = ModelStore("cpu").shapes(model.weights)
    widths = [shape[0] for name, shape in sorted(shapes.items()) if levels.fullmatch(name)]
    widths[1] += 0 if fits else 16
    save_file(T2IAdapter(3, widths, 2, 8).state_dict(), tmp_path / "adapter.safetensors")
    control = Control(load_control_net(tmp_path / "adapter.safetensors"), torch.rand(1, 3, 64, 64), 1.0)
    with nullcontext() if fits else pytest.raises(InputInvalid, match="does not fit the model"):
        check_fit(ModelStore("cpu"), control, model, "positive")
