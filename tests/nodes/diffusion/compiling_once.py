"""Compiles a small network's parts in a process of its own; prints what came of it as one JSON object.

``python -m ... first`` runs the network once, ``python -m ... all`` in all the ways that are not to compile it again.
"""

from __future__ import annotations

import copy
import json
import sys
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor
from torch._dynamo.utils import counters

from nodes.diffusion import backend, unet
from nodes.diffusion.backend import Backend
from nodes.hooks import NetworkPatches

COMPILED = Backend(compile="default")


def network(seed: int) -> UNet2DConditionModel:
    torch.manual_seed(seed)
    made = UNet2DConditionModel(
        block_out_channels=(32,),
        down_block_types=("CrossAttnDownBlock2D",),
        up_block_types=("CrossAttnUpBlock2D",),
        attention_head_dim=2,
        layers_per_block=1,
        cross_attention_dim=24,
    )
    return made.requires_grad_(False).eval()


def inputs(batch: int, height: int, width: int, words: int) -> tuple[Tensor, ...]:
    source = torch.Generator().manual_seed(height)
    x = torch.randn(batch, 4, height, width, generator=source)
    return x, torch.full((batch,), 500), torch.randn(batch, words, 24, generator=source)


def compare(module: Any, given: tuple[Tensor, ...], patches: NetworkPatches = unet.NO_PATCHES) -> dict[str, float]:
    """How far the compiled pass is off, and how many graphs were compiled for it."""
    before = counters["stats"]["unique_graphs"]
    exact = unet.predict(module, *given, patches=patches)
    with backend.using(COMPILED):
        made = unet.predict(module, *given, patches=patches)
    graphs = counters["stats"]["unique_graphs"] - before
    return {"distance": float((made - exact).norm() / exact.norm()), "graphs": graphs}


def passes() -> dict[str, Any]:
    """All ways after the first."""
    base, other = network(0), network(1)
    patched = copy.deepcopy(base, {id(parameter): parameter for parameter in base.parameters()})
    patched.down_blocks[0].resnets[0].conv1.weight = torch.nn.Parameter(torch.zeros(32, 32, 3, 3), requires_grad=False)
    calls: list[int] = []

    def count(attend: Any, q: Tensor, k: Tensor, v: Tensor, *_: Any) -> Tensor:
        calls.append(1)
        return attend(q, k, v)

    with torch.no_grad():
        found: dict[str, Any] = {
            "same": compare(base, inputs(2, 8, 8, 7)),
            "other size": compare(base, inputs(4, 12, 10, 9)),
            "other weights": compare(other, inputs(2, 8, 8, 7)),
            "patched": compare(patched, inputs(2, 8, 8, 7)),
            "hooks": compare(base, inputs(2, 8, 8, 7), NetworkPatches(self_attention=(count,))),
        }
        far = unet.predict(patched, *inputs(2, 8, 8, 7)) - unet.predict(base, *inputs(2, 8, 8, 7))
    return found | {"patch changes": float(far.norm()), "hook calls": len(calls)}


def main() -> None:
    with torch.no_grad():
        found: dict[str, Any] = {"first": compare(network(0), inputs(2, 8, 8, 7))}
    if sys.argv[1] == "all":
        found |= passes()
    found |= {
        "hits": counters["inductor"]["fxgraph_cache_hit"],
        "misses": counters["inductor"]["fxgraph_cache_miss"],
    }
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
