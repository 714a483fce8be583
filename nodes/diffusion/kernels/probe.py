"""Tries a kernel out against torch's attention: how far off it is, and how long it takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.errors import first_line
from nodes.diffusion.kernels import sdpa
from nodes.diffusion.kernels.sage import Sage

BATCH, HEADS = 2, 8
WARM_UPS, ROUNDS = 2, 5
FURTHEST = 0.03  # relative L2; SageAttention 1 and 2 are at 0.012 to 0.014 here
SLOWEST = 0.95  # of torch's time: what gains less is not worth being less exact


@dataclass(frozen=True, slots=True)
class Case:
    """Attentions that are decided alike. ``tokens``: a power of two, at most as many as there are queries and keys."""

    device: torch.device
    dtype: torch.dtype
    width: int
    tokens: int

    @classmethod
    def of(cls, queries: Tensor, keys: Tensor) -> Case:
        """The case of this attention; [batch, heads, tokens, head width]."""
        tokens = min(queries.shape[-2], keys.shape[-2])
        return cls(queries.device, queries.dtype, queries.shape[-1], 1 << (tokens.bit_length() - 1))

    def __str__(self) -> str:
        return f"heads {self.width} wide at {self.tokens} tokens"


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """``distance``: relative L2 from torch's float32; ``ratio``: of torch's time. ``failure``: why it has neither."""

    distance: float = float("inf")
    ratio: float = float("inf")
    failure: str = ""

    @property
    def good(self) -> bool:
        """Whether the kernel is near enough and gains something."""
        return self.distance <= FURTHEST and self.ratio <= SLOWEST

    def __str__(self) -> str:
        if self.failure:
            return self.failure
        if not self.distance <= FURTHEST:
            return f"it is off by {self.distance:.3f}, and {FURTHEST} is allowed"
        return f"it takes {self.ratio:.2f} of torch's time, off by {self.distance:.3f}"


def judge(sage: Sage, case: Case) -> ProbeResult:
    """What ``sage`` does in this case. Never raises: a kernel that fails is one that is not used."""
    source = torch.Generator().manual_seed(0)

    def drawn() -> Tensor:
        return torch.randn(BATCH, HEADS, case.tokens, case.width, generator=source).to(case.device, case.dtype)

    try:
        queries, keys, values = drawn(), drawn(), drawn()
        # Keys of trained networks have a large part in common, which is what takes 8 bits beyond their range.
        keys += 4 * drawn()[:, :, :1]
        exact = sdpa.mix(queries.float(), keys.float(), values.float())
        distance = float((sage(queries, keys.clone(), values).float() - exact).norm() / exact.norm())
        own = _quickest_s(lambda: sage(queries, keys, values), case.device)
    except Exception as error:  # noqa: BLE001 - compilers, drivers and kernels fail in many ways
        return ProbeResult(failure=f"it fails: {first_line(error)}")
    return ProbeResult(distance, own / _quickest_s(lambda: sdpa.mix(queries, keys, values), case.device))


def _quickest_s(call: Callable[[], Tensor], device: torch.device) -> float:
    taken: list[float] = []
    for _ in range(WARM_UPS + ROUNDS):
        start = time.perf_counter()
        call()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        taken.append(time.perf_counter() - start)
    return min(taken[WARM_UPS:])
