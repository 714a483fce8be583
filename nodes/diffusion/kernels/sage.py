"""SageAttention: the builds of it that there are, and which attentions each of them computes rightly."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.errors import DagfusionError, first_line

REMEDY = "install dagfusion[sage], or a wheel of SageAttention for this GPU"
_HALF = frozenset({torch.float16, torch.bfloat16})

# (queries, keys, values, scale of the scores), each [batch, heads, tokens, head width]. Keys may be written to.
Kernel = Callable[[Tensor, Tensor, Tensor, float], Tensor]


@dataclass(frozen=True, slots=True)
class Sage:
    """An installed SageAttention (Zhang et al. 2024, arXiv 2410.02367): scores from 8-bit queries and keys.

    ``widths``: of heads that it computes, ascending; ``keys_multiple``: of what the number of keys has to be.
    """

    label: str
    kernel: Kernel
    widths: tuple[int, ...]
    dtypes: frozenset[torch.dtype]
    keys_multiple: int = 1

    def takes(self, queries: Tensor, keys: Tensor) -> bool:
        """Whether it computes this attention; [batch, heads, tokens, head width]."""
        return (
            queries.dtype in self.dtypes
            and queries.shape[-1] <= self.widths[-1]
            and keys.shape[-2] % self.keys_multiple == 0
        )

    def __call__(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """What it takes, mixed. ``keys`` may be written to.

        Heads are widened with zeros to the next width that the kernel has: that changes no score, and gives zeros that
        are cut off again.
        """
        width = queries.shape[-1]
        lacking = next(known for known in self.widths if known >= width) - width
        if lacking:
            queries, keys, values = (F.pad(side, (0, lacking)) for side in (queries, keys, values))
        return self.kernel(queries, keys, values, width**-0.5)[..., :width]


def installed() -> Sage:
    """The SageAttention that is installed. Raises ``DagfusionError`` where there is none, or it does not load."""
    for module, adapt in (("sageattention", _sageattention), ("sageattn3", _sageattn3)):
        if importlib.util.find_spec(module) is None:
            continue
        try:
            return adapt(importlib.import_module(module))
        except Exception as error:
            # Kernels that were built for another CUDA or torch fail in many ways.
            raise DagfusionError(f"{module} does not load: {first_line(error)}", remedy=REMEDY) from error
    raise DagfusionError("SageAttention is not installed", remedy=REMEDY)


def _sageattention(module: object) -> Sage:
    """Versions 1 (triton) and 2 (CUDA), which have one call."""
    sageattn: Callable[..., Tensor] = getattr(module, "sageattn")  # noqa: B009 - optional, so mypy does not know it

    def kernel(queries: Tensor, keys: Tensor, values: Tensor, scale: float) -> Tensor:
        # Projections have the heads next to their width, and so has what comes next: nothing has to be moved.
        q, k, v = (side.transpose(1, 2) for side in (queries, keys, values))
        return sageattn(q, k, v, tensor_layout="NHD", is_causal=False, sm_scale=scale).transpose(1, 2)

    label = f"SageAttention {_version('sageattention')}"
    if "return_lse" in inspect.signature(sageattn).parameters:
        return Sage(label, kernel, (64, 128), _HALF)
    # Version 1 counts the keys that fill its last block of 64 as if they were there, with scores of 0.
    return Sage(label, kernel, (64, 96, 128), _HALF | {torch.float32}, keys_multiple=64)


def _sageattn3(module: object) -> Sage:
    """Version 3 (Blackwell), which scales scores by the width that it sees."""
    sageattn: Callable[..., Tensor] = getattr(module, "sageattn3_blackwell")  # noqa: B009

    def kernel(queries: Tensor, keys: Tensor, values: Tensor, scale: float) -> Tensor:
        return sageattn(queries * (scale * queries.shape[-1] ** 0.5), keys, values, is_causal=False)

    return Sage(f"SageAttention {_version('sageattn3')}", kernel, (64, 128), _HALF)


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "of unknown version"
