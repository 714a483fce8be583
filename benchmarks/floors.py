"""The least time that a device needs: how fast it reads memory and multiplies matrices, measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.timing import timed

if TYPE_CHECKING:
    import torch

_READ_BYTES = {"cuda": 2**32, "cpu": 2**29}
_SIDE = {"cuda": 8192, "cpu": 1536}
_TRIES = 5


@dataclass(frozen=True)
class Floors:
    """Of a device: bytes read a second, and floating-point operations a second in matrix products of one format."""

    bytes_s: float
    flops_s: float

    def seconds(self, weight_bytes: float, flops: float) -> tuple[float, float]:
        """(reading the weights once, doing the products): a pass can be no quicker than the larger of the two."""
        return weight_bytes / self.bytes_s, flops / self.flops_s


def measure(device: str, dtype: torch.dtype) -> Floors:
    """The best of several tries each."""
    import torch

    kind = torch.device(device).type
    data = torch.ones(_READ_BYTES.get(kind, _READ_BYTES["cpu"]) // 4, dtype=torch.float32, device=device)
    read_s = min(timed(data.sum) for _ in range(_TRIES))
    side = _SIDE.get(kind, _SIDE["cpu"])
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    torch.mm(a, b)
    multiply_s = min(timed(lambda: torch.mm(a, b)) for _ in range(_TRIES))
    return Floors(data.nbytes / read_s, 2 * side**3 / multiply_s)


def flops(call: Callable[[], object]) -> int:
    """Floating-point operations of the matrix products and convolutions in ``call``, two for a multiply-add."""
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    with counter:
        call()
    return int(counter.get_total_flops())
