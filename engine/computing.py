"""How networks are computed: number formats, attention kernels, ways to compile, and where step noise is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from engine.errors import DagfusionError

Precision = Literal["auto", "float32", "bfloat16", "float16"]
Attention = Literal["auto", "sdpa", "sage"]
Compile = Literal["off", "default", "reduce-overhead"]
StepNoise = Literal["device", "cpu", "cpu-0.3"]
"""Where the noise that stochastic samplers add between steps is drawn.

``device``: where the latent is, as ComfyUI 0.33.0 does it: on a CPU by the seed after the initial noise's, on a GPU by
the same one. ``cpu``: as on a CPU, everywhere, so that a seed is one picture. ``cpu-0.3``: on the CPU by the initial
noise's seed, as ComfyUI 0.3 did it there.
"""


@dataclass(frozen=True, slots=True)
class Computing:
    """By which kernels, beside where and in which number format. Raises ``DagfusionError``.

    ``attention``: which kernel; ``auto`` tries out what is installed. ``compile``: torch.compile's mode, or off;
    ``reduce-overhead`` is CUDA graphs: each shape is recorded once and replayed. ``step_noise``: see ``StepNoise``.
    """

    attention: Attention = "auto"
    compile: Compile = "off"
    step_noise: StepNoise = "device"

    def __post_init__(self) -> None:
        _check("attention kernel", self.attention, get_args(Attention))
        _check("way to compile", self.compile, get_args(Compile))
        _check("way to draw step noise", self.step_noise, get_args(StepNoise))


def _check(what: str, given: str, known: tuple[str, ...]) -> None:
    if given not in known:
        raise DagfusionError(f"unknown {what} '{given}'", remedy=f"one of: {', '.join(known)}")
