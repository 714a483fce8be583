"""How networks are computed: the names of number formats, attention kernels and ways to compile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from engine.errors import DagfusionError

Precision = Literal["auto", "float32", "bfloat16", "float16"]
Attention = Literal["auto", "sdpa", "sage"]
Compile = Literal["off", "default", "reduce-overhead"]


@dataclass(frozen=True, slots=True)
class Computing:
    """By which kernels, beside where and in which number format. Raises ``DagfusionError``.

    ``attention``: which kernel; ``auto`` tries out what is installed. ``compile``: torch.compile's mode, or off;
    ``reduce-overhead`` is CUDA graphs: each shape is recorded once and replayed.
    """

    attention: Attention = "auto"
    compile: Compile = "off"

    def __post_init__(self) -> None:
        _check("attention kernel", self.attention, get_args(Attention))
        _check("way to compile", self.compile, get_args(Compile))


def _check(what: str, given: str, known: tuple[str, ...]) -> None:
    if given not in known:
        raise DagfusionError(f"unknown {what} '{given}'", remedy=f"one of: {', '.join(known)}")
