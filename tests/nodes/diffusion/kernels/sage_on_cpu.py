"""Runs SageAttention's real triton kernels in triton's interpreter; prints what came out as one JSON object.

Started with ``TRITON_INTERPRET=1 python -O``: the package asserts that there is a GPU.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from nodes.diffusion import backend, unet
from nodes.diffusion.backend import Backend
from nodes.diffusion.kernels import sage, sdpa
from nodes.diffusion.kernels.choice import Forced
from nodes.diffusion.kernels.probe import Case, judge
from nodes.diffusion.kernels.sage import Sage


def distance(made: Tensor, exact: Tensor) -> float:
    return float((made.float() - exact.float()).norm() / exact.float().norm())


def drawn(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape))).to(dtype)


def off_by_itself(kernel: Sage, keys: int, width: int, dtype: torch.dtype) -> float:
    q, k, v = drawn(1, 2, 100, width, dtype=dtype), drawn(1, 2, keys, width, dtype=dtype), drawn(1, 2, keys, width)
    exact = sdpa.mix(q.float(), k.float(), v.to(dtype).float())
    return distance(kernel(q, k.clone(), v.to(dtype)), exact)


def off_in_a_network(kernel: Sage, dtype: torch.dtype) -> tuple[float, list[tuple[int, int]]]:
    """A UNet with heads 40 and 80 wide, as SD1.5 has; (distance, the (width, keys) that the kernel computed)."""
    torch.manual_seed(0)
    network = UNet2DConditionModel(
        block_out_channels=(160, 320),
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        attention_head_dim=4,
        layers_per_block=1,
        cross_attention_dim=48,
    )
    network = network.requires_grad_(False).eval().to(dtype)
    given: tuple[Any, ...] = (drawn(2, 4, 16, 16), torch.tensor([500, 500]), drawn(2, 77, 48))
    computed: list[tuple[int, int]] = []

    def counted(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
        computed.append((q.shape[-1], k.shape[-2]))
        return kernel.kernel(q, k, v, scale)

    exact = unet.predict(network, *given)
    mix = Forced(Sage(kernel.label, counted, kernel.widths, kernel.dtypes, kernel.keys_multiple))
    with backend.using(Backend(mix)):
        made = unet.predict(network, *given)
    return distance(made, exact), sorted(set(computed))


def main() -> None:
    kernel = sage.installed()
    with torch.no_grad():
        alone = {
            f"{width} {str(dtype).removeprefix('torch.')}": off_by_itself(kernel, 128, width, dtype)
            for width in (40, 64, 80, 96, 120, 128)
            for dtype in (torch.float16, torch.bfloat16, torch.float32)
        }
        networks = {str(dtype): off_in_a_network(kernel, dtype) for dtype in (torch.float32, torch.bfloat16)}
        verdict = judge(kernel, Case(torch.device("cpu"), torch.float16, 40, 256))
        found = {
            "label": kernel.label,
            "alone": alone,
            "with keys that are not there": off_by_itself(kernel, 77, 64, torch.float16),
            "takes 77 keys": kernel.takes(drawn(1, 1, 64, 64), drawn(1, 1, 77, 64)),
            "networks": networks,
            "judged": verdict.distance,
            "failure": verdict.failure,
        }
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
