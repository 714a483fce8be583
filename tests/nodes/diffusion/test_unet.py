"""The UNet's own pass against diffusers' forward, and every hook and residual in its place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from engine.errors import InputInvalid, ModelUnreadable
from nodes.diffusion import unet
from nodes.diffusion.kernels import sdpa
from nodes.diffusion.unet_config import as_diffusers, build_unet
from nodes.diffusion.weights import WeightFile
from nodes.hooks import HookSite, NetworkPatches

FAMILY_NAMES = ["sd15", "sd2", "sdxl", "sdxl_refiner", "ssd_1b"]
Write = Callable[..., Any]


def opened(path: Path) -> Any:
    return build_unet(as_diffusers(WeightFile(path).view("model.diffusion_model.", "")))


def inputs(network: Any, height: int = 8, width: int = 8, batch: int = 2) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(3)

    def noise(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    given: dict[str, Any] = {
        "x": noise(batch, network.config.in_channels, height, width),
        "timestep": torch.tensor([999.0, 3.25])[:batch],
        "context": noise(batch, 7, 48),
    }
    width_of_y = network.config.projection_class_embeddings_input_dim
    return given | ({"y": noise(batch, width_of_y)} if width_of_y else {})


def diffusers_forward(network: Any, given: dict[str, Any]) -> Tensor:
    """diffusers' own pass. Its vector is made of embedded numbers; here one that is whole already is put in."""
    if "y" not in given:
        return network(given["x"], given["timestep"], given["context"]).sample
    network.add_time_proj.forward = lambda _numbers: given["y"][:, 48:].reshape(-1, 256)
    count = (given["y"].shape[1] - 48) // 256
    added = {"text_embeds": given["y"][:, :48], "time_ids": torch.zeros(len(given["y"]), count)}
    return network(given["x"], given["timestep"], given["context"], added_cond_kwargs=added).sample


@pytest.mark.parametrize("family", FAMILY_NAMES)
@pytest.mark.parametrize("layout", ["ldm", "diffusers"])
def test_a_file_gives_the_network_that_was_saved(tmp_path: Path, write_unet: Write, family: str, layout: str) -> None:
    network = write_unet(tmp_path / "m.safetensors", family, layout=layout)
    given = inputs(network)
    read = opened(tmp_path / "m.safetensors")
    saved = network.state_dict()
    assert read.state_dict().keys() == saved.keys()
    assert all(torch.equal(tensor, saved[name]) for name, tensor in read.state_dict().items())
    # Kernels round differently by how weights lie in memory, so the outputs agree closely, not in every bit.
    assert torch.allclose(unet.predict(read, **given), unet.predict(network, **given), atol=1e-5)


@pytest.mark.parametrize("family", FAMILY_NAMES)
@pytest.mark.parametrize(("height", "width"), [(8, 8), (13, 9), (1, 1)])
def test_a_pass_equals_diffusers(
    tmp_path: Path, write_unet: Write, family: str, height: int, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In every bit with the fused attention that diffusers uses, closely with the plain products for few scores."""
    network = write_unet(tmp_path / "m.safetensors", family)
    given = inputs(network, height, width)
    expected = diffusers_forward(network, given)
    torch.testing.assert_close(unet.predict(network, **given), expected, rtol=1e-4, atol=1e-5)
    monkeypatch.setattr(sdpa, "PLAIN_SCORES", 0)
    assert torch.equal(unet.predict(network, **given), expected)


def test_tensors_are_the_files_own(tmp_path: Path, write_unet: Write) -> None:
    write_unet(tmp_path / "m.safetensors", "sd15")
    view = as_diffusers(WeightFile(tmp_path / "m.safetensors").view("model.diffusion_model."))
    network = build_unet(view)
    for name, parameter in network.named_parameters():
        assert parameter.data_ptr() == view[name].data_ptr()
        assert not parameter.requires_grad


def test_missing_and_misshapen_tensors_are_named(tmp_path: Path, write_unet: Write) -> None:
    path = tmp_path / "m.safetensors"
    write_unet(path, "sd15")
    tensors = load_file(path)
    name = "model.diffusion_model.input_blocks.1.0.in_layers.2.bias"
    save_file({key: tensor for key, tensor in tensors.items() if key != name}, path)
    with pytest.raises(ModelUnreadable, match=r"lacks tensor 'down_blocks\.0\.resnets\.0\.conv1\.bias'"):
        opened(path)
    save_file(tensors | {name: torch.zeros(5)}, path)
    with pytest.raises(ModelUnreadable, match=r"unexpected shape of tensor 'down_blocks\.0\.resnets\.0\.conv1\.bias'"):
        opened(path)


def test_half_networks_compute_in_their_own_format(tmp_path: Path, write_unet: Write) -> None:
    network = write_unet(tmp_path / "m.safetensors", "sdxl")
    given = inputs(network)
    exact = unet.predict(network, **given)
    rough = unet.predict(network.to(torch.bfloat16), **given)
    assert rough.dtype == torch.bfloat16
    assert (rough.float() - exact).norm() / exact.norm() < 0.05


def test_every_hook_is_called_where_the_ldm_layout_counts(tmp_path: Path, write_unet: Write) -> None:
    network = write_unet(tmp_path / "m.safetensors", "sdxl")
    called: list[tuple[str, HookSite]] = []

    def block(kind: str) -> Any:
        return lambda hidden, site: (called.append((kind, site)), hidden)[1]

    def skip(hidden: Tensor, kept: Tensor, site: HookSite) -> tuple[Tensor, Tensor]:
        called.append(("before_output", site))
        return hidden, kept

    def attention(kind: str) -> Any:
        def patch(attend: Any, q: Tensor, k: Tensor, v: Tensor, site: HookSite, module: Any) -> Tensor:
            assert (k is q) == (kind == "self_attention")
            called.append((kind, site))
            return attend(q, k, v)

        return patch

    patches = NetworkPatches(
        self_attention=(attention("self_attention"),),
        cross_attention=(attention("cross_attention"),),
        before_output=(skip,),
        **{kind: (block(kind),) for kind in ("after_input", "after_input_skip", "after_middle")},
    )
    given = inputs(network)
    plain = unet.predict(network, **given)
    assert torch.equal(unet.predict(network, **given, patches=patches, rows=(0, 1), sigma=2.5), plain)

    def sites(kind: str) -> list[tuple[str, int, int]]:
        return [(site.stage, site.block, site.depth) for called_kind, site in called if called_kind == kind]

    assert sites("after_input") == sites("after_input_skip") == [("input", index, 0) for index in range(9)]
    assert sites("after_middle") == [("middle", 0, 0)]
    assert sites("before_output") == [("output", index, 0) for index in range(9)]
    layers = [("input", 4, 2), ("input", 5, 2), ("input", 7, 3), ("input", 8, 3), ("middle", 0, 3)]
    layers += [("output", index, depth) for index, depth in ((0, 3), (1, 3), (2, 3), (3, 2), (4, 2), (5, 2))]
    expected = [(stage, block, depth) for stage, block, count in layers for depth in range(count)]
    assert sites("self_attention") == sites("cross_attention") == expected
    assert {(site.latent_px, site.rows, site.sigma) for _, site in called} == {((8, 8), (0, 1), 2.5)}


def test_the_first_attention_patch_is_outermost(tmp_path: Path, write_unet: Write) -> None:
    network = write_unet(tmp_path / "m.safetensors", "sd15")
    order: list[str] = []

    def named(name: str) -> Any:
        def patch(attend: Any, q: Tensor, k: Tensor, v: Tensor, site: HookSite, module: Any) -> Tensor:
            order.append(name)
            return attend(q, k, v)

        return patch

    unet.predict(network, **inputs(network), patches=NetworkPatches(self_attention=(named("outer"), named("inner"))))
    assert order[:2] == ["outer", "inner"]


def test_skips_as_residuals_are_added_where_they_are_read(tmp_path: Path, write_unet: Write) -> None:
    """A residual that takes the skip away is the same as a hook that does."""
    network = write_unet(tmp_path / "m.safetensors", "sd15")
    given = inputs(network)
    kept: dict[int, Tensor] = {}

    def keep(hidden: Tensor, site: HookSite) -> Tensor:
        kept[site.block] = hidden
        return hidden

    unet.predict(network, **given, patches=NetworkPatches(after_input=(keep,)))
    residuals = unet.ControlResiduals(skips=(None, -kept[1]))

    def drop(hidden: Tensor, skip: Tensor, site: HookSite) -> tuple[Tensor, Tensor]:
        return hidden, skip * 0 if site.block == len(kept) - 2 else skip

    by_residual = unet.predict(network, **given, control=residuals)
    by_hook = unet.predict(network, **given, patches=NetworkPatches(before_output=(drop,)))
    assert torch.equal(by_residual, by_hook)
    assert not torch.equal(by_residual, unet.predict(network, **given))


def test_middle_and_input_residuals(tmp_path: Path, write_unet: Write) -> None:
    network = write_unet(tmp_path / "m.safetensors", "sd15")
    given = inputs(network)
    residuals = unet.ControlResiduals(middle=torch.full((1, 64, 4, 4), 0.5), inputs=(torch.full((1, 32, 8, 8), 0.25),))
    patches = NetworkPatches(
        after_middle=(lambda hidden, _site: hidden + 0.5,),
        after_input=(lambda hidden, site: hidden + 0.25 if site.block == 0 else hidden,),
    )
    assert torch.equal(
        unet.predict(network, **given, control=residuals), unet.predict(network, **given, patches=patches)
    )


def test_a_residual_of_another_shape(tmp_path: Path, write_unet: Write) -> None:
    network = write_unet(tmp_path / "m.safetensors", "sd15")
    residuals = unet.ControlResiduals(middle=torch.zeros(1, 128, 4, 4))
    with pytest.raises(InputInvalid, match="ControlNet"):
        unet.predict(network, **inputs(network), control=residuals)


@pytest.mark.parametrize("y", [None, torch.zeros(2, 12)])
def test_sdxl_without_its_vector(tmp_path: Path, write_unet: Write, y: Tensor | None) -> None:
    network = write_unet(tmp_path / "m.safetensors", "sdxl")
    with pytest.raises(InputInvalid, match="conditioning vector 1584 wide"):
        unet.predict(network, **(inputs(network) | {"y": y}))
