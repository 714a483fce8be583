"""ControlNets of Flux.1 by XLabs, against diffusers' own class: names in their files, pixels, residuals in turn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import FluxControlNetModel
from safetensors.torch import save_file
from torch import Tensor

from engine.model_store import ModelStore
from nodes.diffusion.control import load_control_net
from nodes.diffusion.control.call import ControlCall
from nodes.diffusion.name_map import by_table, sources
from nodes.diffusion.transformers import quietly
from nodes.diffusion.weights import Rows
from nodes.families.flux import PIXEL_CONTROL, SPACE
from nodes.families.flux.control import DOUBLES, PIXEL_NAMES, residuals
from nodes.families.flux.names import BLOCKS, EMBEDDERS
from nodes.values import Control

WIDTH, TEXT, SUMMARY = 128, 12, 10
ROWS, COLUMNS = 4, 6


def in_authors_layout(module: Any) -> dict[str, Tensor]:
    """The tensors of a diffusers' ControlNet under the names that XLabs' files have, projections fused."""
    own = dict(module.state_dict())
    shapes = {name: tuple(tensor.shape) for name, tensor in own.items()}
    names = by_table(BLOCKS | EMBEDDERS | PIXEL_NAMES, shapes)
    found: dict[str, dict[int, Tensor]] = {}
    for parameter, (place,) in sources(names).items():  # type: ignore[misc]
        name, start = (place.name, place.start) if isinstance(place, Rows) else (place, 0)
        found.setdefault(str(name), {})[start] = own[parameter]
    return {name: torch.cat([parts[at] for at in sorted(parts)]) for name, parts in found.items()}


def test_xlabs_networks_read_pixels_and_take_turns(tmp_path: Path) -> None:
    torch.manual_seed(5)
    oracle: Any = quietly(
        lambda: FluxControlNetModel(
            patch_size=2,
            in_channels=64,
            num_layers=2,
            num_single_layers=0,
            attention_head_dim=128,
            num_attention_heads=1,
            joint_attention_dim=TEXT,
            pooled_projection_dim=SUMMARY,
            guidance_embeds=True,
            conditioning_embedding_channels=16,
        )
    ).eval()
    for parameter in oracle.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    save_file(in_authors_layout(oracle), tmp_path / "xlabs.safetensors")
    net = load_control_net(tmp_path / "xlabs.safetensors")
    assert net.kind is PIXEL_CONTROL
    x, hint = torch.randn(1, 16, 2 * ROWS, 2 * COLUMNS), torch.rand(1, 3, 16 * ROWS, 16 * COLUMNS)
    given = {"context": torch.randn(1, 3, TEXT), "pooled": torch.randn(1, SUMMARY), "guidance": torch.tensor([3.5])}
    call = ControlCall(x, torch.tensor([0.7]), given, 1, 0.7, SPACE)
    with torch.no_grad(), ModelStore("cpu", precision="float32").lease(net.weights) as module:
        made = residuals(Control(net, hint), module, call)
        places = torch.cartesian_prod(torch.arange(ROWS), torch.arange(COLUMNS)).float()
        wanted, _ = oracle(
            hidden_states=x.unflatten(-1, (-1, 2))
            .unflatten(-3, (-1, 2))
            .permute(0, 2, 4, 1, 3, 5)
            .flatten(3)
            .flatten(1, 2),
            controlnet_cond=hint * 2 - 1,
            encoder_hidden_states=given["context"],
            pooled_projections=given["pooled"],
            timestep=torch.tensor([0.7]),
            guidance=given["guidance"],
            img_ids=torch.nn.functional.pad(places, (1, 0)),
            txt_ids=torch.zeros(3, 3),
            return_dict=False,
        )
    assert len(made.doubles) == DOUBLES
    assert made.singles == ()
    for number, residual in enumerate(made.doubles):
        assert residual is not None
        assert torch.allclose(residual, wanted[number % 2], atol=1e-4, rtol=1e-4)
