"""Predicts, as a flow does, noise minus a clean latent that the prompt tells; remembers what it was given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from engine.weights import Weights
from nodes.diffusion.nested import pack, unpack
from nodes.diffusion.parameterization import flow
from nodes.hooks import Call
from nodes.values import Model

from . import FAMILY

GIVEN: list[dict[str, Any]] = []


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))


def model(**changes: Any) -> Model:
    return replace(Model(Weights("toy", Network), FAMILY, flow(3.0, 1.0), FAMILY.space), **changes)


def step(module: Any, x: Tensor, timestep: Tensor, inputs: Mapping[str, Any], call: Call) -> Tensor:
    parts = unpack(x, call.shapes)
    GIVEN.append({"parts": parts, "timestep": timestep, "call": call, **inputs})
    clean = [inputs["text"].mean(dim=(1, 2)).reshape(-1, *(1,) * (part.ndim - 1)) for part in parts]
    sigma = [timestep.reshape(-1, *(1,) * (part.ndim - 1)) for part in parts]
    return pack([(part - own) / level for part, own, level in zip(parts, clean, sigma, strict=True)])
