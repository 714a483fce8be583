"""Taking time: calls in turns, so that what else the machine does falls on all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence


def in_turns(sides: Mapping[str, Callable[[], object]], repeats: int, *, warm_up: int = 1) -> dict[str, list[float]]:
    """Seconds of each call, in the order A B, B A, A B ...: ``repeats`` of each, after ``warm_up`` rounds more."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(-warm_up, repeats):
        names = list(sides)[:: 1 if turn % 2 == 0 else -1]
        for name in names:
            took = timed(sides[name])
            if turn >= 0:
                seconds[name].append(took)
    return seconds


def timed(call: Callable[[], object]) -> float:
    """Seconds that the call takes, with what it has left for a GPU to do."""
    synchronize()
    started = time.perf_counter()
    call()
    synchronize()
    return time.perf_counter() - started


def synchronize() -> None:
    """Wait for the GPU, where torch is in use with one."""
    import sys

    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.synchronize()


def ratios(over: Sequence[float], under: Sequence[float]) -> list[float]:
    """Turn by turn: what a slow moment of the machine did to one, it did to the other."""
    return [a / b for a, b in zip(over, under, strict=True)]
