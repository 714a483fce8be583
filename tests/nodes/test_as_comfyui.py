"""Nodes that need no model make what ComfyUI 0.33.0's make of the same inputs.

``comfyui_made.json`` holds, a call a line, the inputs and what came out; pictures, masks and latents as numbers that a
formula draws, and what came out of them as its shape, its mean and a weighted sum.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.context import Context
from engine.dynamic import grown_names
from engine.inputs import Growing
from engine.types import Image, Mask
from nodes import builtin_registry
from nodes.values import Latent

RECORDED: list[dict[str, Any]] = json.loads(Path(__file__).with_name("comfyui_made.json").read_text())
REGISTRY = builtin_registry()
KINDS: dict[str, Any] = {"picture": Image, "mask": Mask, "latent": Latent}
PARTS = {Image: "pixels", Mask: "values", Latent: "samples"}


def drawn(seed: int, *shape: int) -> Tensor:
    places = torch.arange(math.prod(shape), dtype=torch.float64)
    return ((torch.sin(places * 0.37 + seed) * 43.7) % 1.0).float().reshape(shape)


def spot(height: int, width: int, top: int, left: int, bottom: int, right: int) -> Tensor:
    values = torch.zeros(1, height, width)
    values[:, top:bottom, left:right] = 1
    return values


def given(value: Any) -> Any:
    if isinstance(value, dict):
        if list(value) == ["spot"]:
            return Mask(spot(*value["spot"]))
        kind = KINDS.get(next(iter(value), "")) if len(value) == 1 else None
        return kind(drawn(*next(iter(value.values())))) if kind else {n: given(each) for n, each in value.items()}
    return [given(each) for each in value] if isinstance(value, list) else value


def alike(made: Any, recorded: Any) -> None:
    if isinstance(made, Image | Mask | Latent):
        tensor = getattr(made, PARTS[next(kind for kind in PARTS if isinstance(made, kind))])
        flat = tensor.double().flatten()
        weights = torch.cos(torch.arange(flat.numel(), dtype=torch.float64))
        assert list(tensor.shape) == recorded["shape"]
        assert flat.mean().item() == pytest.approx(recorded["mean"], abs=1e-5)
        assert (flat * weights).sum().item() / flat.numel() ** 0.5 == pytest.approx(recorded["weighted"], abs=1e-4)
    elif isinstance(made, list | tuple):
        assert len(made) == len(recorded)
        for one, other in zip(made, recorded, strict=True):
            alike(one, other)
    else:
        assert made == recorded


@pytest.mark.parametrize("case", range(len(RECORDED)), ids=lambda n: f"{RECORDED[n]['class']}-{n}")
def test_it_makes_what_comfyui_makes(ctx: Context, case: int) -> None:
    spec = REGISTRY[RECORDED[case]["class"]]
    arguments = given(RECORDED[case]["inputs"])
    for name, one in spec.inputs.items():
        if isinstance(one.marker, Growing):
            assert set(arguments[name]) <= set(grown_names(one))
    made = spec.run(ctx, **arguments)
    alike(list(made) if hasattr(made, "_fields") else [made], RECORDED[case]["made"])


def test_every_recorded_class_says_what_memory_it_takes(ctx: Context) -> None:
    for row in RECORDED:
        memory = REGISTRY[row["class"]].memory
        assert memory is None or memory(**given(row["inputs"])) >= 0
