"""Which device networks run on, in which number format, and how much memory there is for them."""

from __future__ import annotations

from functools import cache
from typing import get_args

import torch

from engine.computing import Precision
from engine.errors import DagfusionError
from engine.host_memory import host_memory_bytes

VRAM_SHARE = 0.85  # of a device's memory goes to weights where no budget is set; activations need the rest
RAM_SHARE = 0.6


def pick_device(name: str | torch.device | None = None) -> torch.device:
    """``name`` as a device; without one (or for ``auto``) the first of CUDA, Apple's MPS and the CPU that is there."""
    if name is None or name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", torch.cuda.current_device())
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise DagfusionError(f"there is no device '{name}' here", remedy="try 'auto' or 'cpu'") from error
    return device


def compute_dtype(device: torch.device, precision: str, *, wide: bool, heavy: bool = False) -> torch.dtype:
    """The number format networks compute in. ``wide``: the network overflows float16 (VAEs do).

    ``auto``: float16, and for wide networks bfloat16 where the device has it. On the CPU float32, except for ``heavy``
    networks, for which it is worth it: bfloat16, where that is quicker.
    """
    if precision not in get_args(Precision):
        raise DagfusionError(f"unknown precision '{precision}'", remedy=f"one of: {', '.join(get_args(Precision))}")
    if precision == "auto" and device.type == "cpu":
        return torch.bfloat16 if heavy and quick_bfloat16() else torch.float32
    if precision == "float32":
        return torch.float32
    if precision == "bfloat16":
        return torch.bfloat16
    if not wide:
        return torch.float16
    return torch.bfloat16 if device.type == "cuda" and torch.cuda.is_bf16_supported() else torch.float32


@cache
def quick_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 faster than float32: by AVX-512 BF16 or AMX."""
    has = torch.cpu.get_capabilities()
    return any(has.get(name, False) for name in ("avx512_bf16", "amx_bf16"))


def default_budget_bytes(device: torch.device) -> int:
    """How many bytes of weights may lie on ``device`` where nobody said."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory * VRAM_SHARE)
    return int(host_memory_bytes() * RAM_SHARE)
