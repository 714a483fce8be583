"""Samplers by name; :mod:`nodes.sampler_names` says where each one is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from importlib import import_module

from torch import Tensor

from nodes.diffusion.samplers.uni_pc import LOWEST_SIGMA
from nodes.sampler_names import BEHIND_NODES, SAMPLERS

SampleFunction = Callable[..., Tensor]
"""(denoise, x, sigmas, *, callback=None, **options): takes ``x`` from noise level ``sigmas[0]`` to ``sigmas[-1]``.

``x``: float32[batch, channels, height, width]; ``sigmas``: float32[steps + 1] from high to low, where fewer than two
change nothing; ``options``: the function's own keyword arguments.
"""


_GPU = "_gpu"
_TABLE: Mapping[str, str] = {**SAMPLERS, **BEHIND_NODES}


@cache
def find(name: str) -> SampleFunction:
    """The function of a sampler. Raises ``KeyError`` for an unknown name."""
    module, _, function = _TABLE[name].partition(":")
    found: SampleFunction = getattr(import_module(f"{__name__}.{module}"), function)
    return partial(found, noise_on_gpu=True) if name.endswith(_GPU) else found


def last_level(name: str, sigmas: Tensor) -> Tensor:
    """The level that sampler ``name`` ends at: the last of ``sigmas``, or the one before if it stops short of zero."""
    stops_short = name in ("uni_pc", "uni_pc_bh2")
    return sigmas[-1].clamp(min=LOWEST_SIGMA) if stops_short and sigmas[-1] == 0 else sigmas[-1]
