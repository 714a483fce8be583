"""One pass of each kind of network in bfloat16 and float16, against float32.

On networks as PyTorch initialises them: the tiny models of the recorded pictures have attentions so sharp that any
rounding gives another picture, which says nothing about trained ones.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import ControlNetModel, T2IAdapter
from safetensors.torch import save_file
from torch import Tensor

from engine.model_store import ModelStore
from engine.weights import Weights
from nodes.diffusion import unet
from nodes.diffusion.checkpoints import load_unet
from nodes.diffusion.control import load_control_net
from nodes.diffusion.control.network import control_residuals
from nodes.values import ControlNet

# Relative L2 distances. Rounding once is 2^-9 = 2e-3 and 2^-12 = 2.4e-4.
BOUNDS = {"bfloat16": 2e-2, "float16": 3e-3}
CONTEXT = 48


def in_precisions(weights: Weights, precision: str, run: Callable[[Any], Tensor]) -> tuple[Tensor, Tensor]:
    """What ``run`` makes with the network in float32 and in ``precision``."""
    outputs = []
    for each in ("float32", precision):
        with ModelStore("cpu", each).lease(weights) as module, torch.no_grad():
            assert next(module.parameters()).dtype == getattr(torch, each)
            outputs.append(run(module).float())
    return outputs[0], outputs[1]


def assert_near(outputs: tuple[Tensor, Tensor], precision: str) -> None:
    exact, rough = outputs
    assert 0 < float((rough - exact).norm() / exact.norm()) < BOUNDS[precision]


@pytest.mark.parametrize("precision", BOUNDS)
@pytest.mark.parametrize("family", ["sd15", "sd2", "sdxl", "sdxl_refiner", "ssd_1b"])
def test_unets(tmp_path: Path, write_unet: Callable[..., Any], family: str, precision: str) -> None:
    network = write_unet(tmp_path / "m.safetensors", family)
    torch.manual_seed(1)
    x, context = torch.randn(2, 4, 16, 8), torch.randn(2, 9, CONTEXT)
    width = network.config.projection_class_embeddings_input_dim
    y = torch.randn(2, width) if width else None
    model = load_unet(tmp_path / "m.safetensors")
    timestep = torch.tensor([801.5, 20.0])
    assert_near(
        in_precisions(model.weights, precision, lambda m: unet.predict(m, x, timestep, context, y=y)), precision
    )


@pytest.mark.parametrize("precision", BOUNDS)
@pytest.mark.parametrize("kind", ["controlnet", "t2i_adapter"])
def test_controls(tmp_path: Path, kind: str, precision: str) -> None:
    torch.manual_seed(2)
    module = ControlNetModel(
        block_out_channels=(32, 64),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        cross_attention_dim=CONTEXT,
        attention_head_dim=8,
        conditioning_embedding_out_channels=(16, 32, 96, 256),
    )
    tensors = (module if kind == "controlnet" else T2IAdapter(3, [32, 64, 64, 64], 2, 8)).state_dict()
    # Fresh ControlNets end in convolutions of zeros.
    save_file({k: v if v.any() else 0.1 * torch.randn(v.shape) for k, v in tensors.items()}, tmp_path / "c.safetensors")
    net = load_control_net(tmp_path / "c.safetensors")
    assert_near(in_precisions(net.weights, precision, lambda m: residuals(net, m)), precision)


def residuals(net: ControlNet, module: Any) -> Tensor:
    """All that the network adds, in a row."""
    source = torch.Generator().manual_seed(3)
    x, hint = torch.randn(1, 4, 8, 8, generator=source), torch.rand(1, 3, 64, 64, generator=source)
    context = torch.randn(1, 5, CONTEXT, generator=source)
    made = control_residuals(net, module, x, hint, torch.tensor([300.0]), context, None)
    return torch.cat([each.flatten() for each in (*made.inputs, *made.skips, made.middle) if each is not None])
