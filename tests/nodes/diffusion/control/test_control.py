"""ControlNets and union ControlNets against diffusers' own forward passes, and how they add up."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import ControlNetModel, ControlNetUnionModel
from safetensors.torch import load_file, save_file
from torch import Tensor

from engine.context import Context
from engine.errors import ModelUnreadable
from engine.folders import Folders
from engine.model_store import ModelStore
from engine.weights import Weights
from nodes.diffusion.checkpoints import load_unet
from nodes.diffusion.control import lease, load_control_net
from nodes.diffusion.control.call import ControlCall
from nodes.diffusion.control.network import control_residuals
from nodes.diffusion.merging import add_to_model
from nodes.diffusion.parameterization import discrete
from nodes.diffusion.unet import ControlResiduals
from nodes.families.found import families
from nodes.values import Control, ControlNet, Model

WIDTHS = (32, 64)
CONTEXT = 24


def unet() -> Model:
    """A model of a UNet, as far as ControlNets ask for it."""
    family = families()["sd"]
    return Model(Weights("none", torch.nn.Identity), family, discrete(), family.space)


def tiny_config() -> dict[str, object]:
    return {
        "block_out_channels": WIDTHS,
        "layers_per_block": 1,
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "cross_attention_dim": CONTEXT,
        "attention_head_dim": 8,
        "conditioning_embedding_out_channels": (16, 32, 96, 256),
    }


def randomised(module: torch.nn.Module) -> dict[str, Tensor]:
    """Weights that are not zero anywhere: fresh ControlNets end in zero convolutions."""
    generator = torch.Generator().manual_seed(5)
    return {k: 0.2 * torch.randn(v.shape, generator=generator) for k, v in module.state_dict().items()}


@pytest.fixture
def inputs() -> dict[str, Tensor]:
    torch.manual_seed(1)
    return {
        "x": torch.randn(2, 4, 8, 8),
        "hint": torch.rand(2, 3, 64, 64),
        "timestep": torch.tensor([500.0, 500.0]),
        "context": torch.randn(2, 7, CONTEXT),
    }


def residuals(net: ControlNet, inputs: Mapping[str, Tensor]) -> ControlResiduals:
    with ModelStore("cpu").lease(net.weights) as module, torch.no_grad():
        return control_residuals(net, module, **inputs, y=None)


def test_a_controlnet_gives_what_diffusers_gives(tmp_path: Path, inputs: dict[str, Tensor]) -> None:
    module = ControlNetModel(**tiny_config())
    module.load_state_dict(randomised(module))
    save_file(module.state_dict(), tmp_path / "net.safetensors")
    net = load_control_net(tmp_path / "net.safetensors")
    with torch.no_grad():
        skips, middle = module(
            inputs["x"], inputs["timestep"], inputs["context"], controlnet_cond=inputs["hint"], return_dict=False
        )
    ours = residuals(net, inputs)
    assert net.kind.name == "controlnet"
    assert len(ours.skips) == len(skips)
    for mine, theirs in zip([*ours.skips, ours.middle], [*skips, middle], strict=True):
        assert mine is not None
        assert (mine - theirs).norm() <= 1e-5 * theirs.norm()  # kernels of other attentions round otherwise


def test_both_layouts_of_the_same_weights_are_the_same_network(models_dir: Path, tmp_path: Path) -> None:
    original = load_control_net(models_dir / "controlnet" / "tiny_controlnet.safetensors")
    with ModelStore("cpu").lease(original.weights) as module:
        # Stored in half precision again, as the original file is.
        tensors = {name: tensor.half().contiguous() for name, tensor in module.state_dict().items()}
    save_file(tensors, tmp_path / "diffusers.safetensors")
    torch.manual_seed(2)
    given = {
        "x": torch.randn(1, 4, 8, 8),
        "hint": torch.rand(1, 3, 64, 64),
        "timestep": torch.tensor([10.0]),
        "context": torch.randn(1, 5, 64),
    }
    ours, other = residuals(original, given), residuals(load_control_net(tmp_path / "diffusers.safetensors"), given)
    torch.testing.assert_close(ours.middle, other.middle)
    assert len(ours.skips) == 8


def union_file(folder: Path, *, silent: bool) -> Path:
    config = tiny_config() | {"addition_time_embed_dim": 256, "num_trans_channel": 32, "num_proj_channel": 32}
    module = ControlNetUnionModel(**config, num_control_type=6)
    tensors = randomised(module)
    if silent:
        for name in tensors:
            if name.startswith(("spatial_ch_projs", "control_add_embedding.linear_2")):
                tensors[name].zero_()
    save_file(tensors, folder / "union.safetensors")
    return folder / "union.safetensors"


def test_a_union_network_follows_its_mode(tmp_path: Path, inputs: dict[str, Tensor]) -> None:
    net = load_control_net(union_file(tmp_path, silent=False))
    assert net.kind.name == "union"
    middles = [residuals(replace(net, union_type=mode), inputs).middle for mode in (None, 0, 3)]
    assert all(m is not None for m in middles)
    for first in range(3):
        for second in range(first):
            assert not torch.allclose(middles[first], middles[second])  # type: ignore[arg-type]


def test_a_union_network_whose_mode_parts_are_silent_is_a_plain_controlnet(
    tmp_path: Path, inputs: dict[str, Tensor]
) -> None:
    union = load_control_net(union_file(tmp_path, silent=True))
    plain = ControlNetModel(**tiny_config())
    wanted = plain.state_dict().keys()
    weights = {k: v for k, v in load_file(tmp_path / "union.safetensors").items() if k in wanted}
    save_file(weights, tmp_path / "plain.safetensors")
    net = load_control_net(tmp_path / "plain.safetensors")
    torch.testing.assert_close(
        residuals(replace(union, union_type=2), inputs).middle, residuals(net, inputs).middle, rtol=1e-4, atol=1e-5
    )


def test_networks_for_shuffled_pictures_add_what_they_would_on_average(
    tmp_path: Path, inputs: dict[str, Tensor]
) -> None:
    module = ControlNetModel(**tiny_config())
    for name in ("net", "net_shuffle", "net_shuffle_fp16"):
        save_file(randomised(module), tmp_path / f"{name}.safetensors")
    plain, *averaged = (
        residuals(load_control_net(tmp_path / f"{name}.safetensors"), inputs)
        for name in ("net", "net_shuffle", "net_shuffle_fp16")
    )
    for each in averaged:
        for ours, whole in zip([*each.skips, each.middle], [*plain.skips, plain.middle], strict=True):
            assert ours is not None
            assert whole is not None
            torch.testing.assert_close(ours, whole.mean((2, 3), keepdim=True).expand_as(whole))


def test_a_small_network_without_attention(tmp_path: Path, inputs: dict[str, Tensor]) -> None:
    config = tiny_config() | {"down_block_types": ("DownBlock2D",) * 2, "transformer_layers_per_block": (0, 0)}
    module = ControlNetModel(**config, use_linear_projection=True)
    module.load_state_dict(randomised(module))
    save_file(module.state_dict(), tmp_path / "net.safetensors")
    with torch.no_grad():
        _, middle = module(
            inputs["x"], inputs["timestep"], inputs["context"], controlnet_cond=inputs["hint"], return_dict=False
        )
    ours = residuals(load_control_net(tmp_path / "net.safetensors"), inputs).middle
    assert ours is not None
    assert (ours - middle).norm() <= 1e-5 * middle.norm()


def test_a_difference_is_added_to_the_models_weights(models_dir: Path, tmp_path: Path) -> None:
    models = ModelStore("cpu")
    model = load_unet(models_dir / "checkpoints" / "tiny_sd15.safetensors")
    stored = load_file(models_dir / "controlnet" / "tiny_controlnet.safetensors")
    save_file(stored | {"difference": torch.zeros(1)}, tmp_path / "net.safetensors")
    net = load_control_net(tmp_path / "net.safetensors")
    assert net.difference
    summed = add_to_model(models, net, model)
    name, own = "down_blocks.0.resnets.0.conv1.weight", "control_model.input_blocks.1.0.in_layers.2.weight"
    zero_convolution = "controlnet_down_blocks.0.weight"
    with models.lease(model.weights) as unet, models.lease(summed.weights, summed.weight_patches) as module:
        ours, whole = dict(module.named_parameters()), dict(unet.named_parameters())
        rounded = (whole[name].float() + stored[own].float()).half().float()
        torch.testing.assert_close(ours[name].float(), rounded)
        assert torch.equal(ours[zero_convolution].float(), stored["control_model.zero_convs.0.0.weight"].float())


def call(inputs: Mapping[str, Tensor], sigma: float = 1.0) -> ControlCall:
    return ControlCall(inputs["x"], inputs["timestep"], {"context": inputs["context"]}, 1, sigma)


def run(chain: Control, at: ControlCall) -> ControlResiduals | None:
    with ExitStack() as leases, torch.no_grad():
        context = Context(Folders(), ModelStore("cpu"))
        return lease(context, [chain], unet(), leases)(chain, at)


@pytest.fixture
def net(tmp_path: Path) -> ControlNet:
    module = ControlNetModel(**tiny_config())
    save_file(randomised(module), tmp_path / "net.safetensors")
    return load_control_net(tmp_path / "net.safetensors")


def test_strength_scales_and_chains_add_up(net: ControlNet, inputs: dict[str, Tensor]) -> None:
    first = Control(net, inputs["hint"], 1.0)
    second = Control(net, 1 - inputs["hint"], 0.5)
    alone = [run(control, call(inputs)) for control in (first, second)]
    both = run(replace(second, previous=first), call(inputs))
    half = run(replace(first, strength=0.5), call(inputs))
    assert both
    assert half
    assert alone[0]
    assert alone[1]
    torch.testing.assert_close(both.middle, alone[0].middle + alone[1].middle, rtol=1e-4, atol=1e-5)  # type: ignore[operator]
    torch.testing.assert_close(half.skips[0], alone[0].skips[0] / 2, rtol=1e-4, atol=1e-5)  # type: ignore[operator]


def test_outside_its_range_a_control_adds_nothing(net: ControlNet, inputs: dict[str, Tensor]) -> None:
    control = Control(net, inputs["hint"], 1.0, start_percent=0.2, end_percent=0.6)
    sigma = discrete().percent_to_sigma
    assert run(control, call(inputs, sigma(0.1))) is None
    assert run(control, call(inputs, sigma(0.4))) is not None
    assert run(control, call(inputs, sigma(0.7))) is None


def test_pictures_of_any_size_and_number_fit_the_latent(net: ControlNet, inputs: dict[str, Tensor]) -> None:
    for shape in ((1, 3, 100, 40), (2, 3, 64, 64), (3, 3, 30, 90)):
        given = run(Control(net, torch.rand(shape)), call(inputs))
        assert given
        assert given.middle is not None
        assert given.middle.shape[0] == 2


def test_a_checkpoint_is_no_controlnet(models_dir: Path) -> None:
    with pytest.raises(ModelUnreadable, match="no ControlNet of a kind that is known: it is a denoiser"):
        load_control_net(models_dir / "checkpoints" / "tiny_sd15.safetensors")
