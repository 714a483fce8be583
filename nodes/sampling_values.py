"""Value types of the parts of sampling that travel along edges: SAMPLER, SIGMAS, NOISE, GUIDER; and what calls them.

All are immutable. Nothing here imports torch at run time, so that schemas stay cheap to read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from engine.computing import StepNoise
    from nodes.diffusion.parameterization import Parameterization


from nodes.values import Conditioning, Model


class Denoiser(Protocol):
    """What a sampler steps with: x and sigma in, the guided prediction of the clean latent out.

    ``x``: float32[batch, channels, height, width] (the noisy latent, k-diffusion scaling); ``sigma``: float32[batch]
    or scalar tensor. ``with_uncond`` also returns the negative prediction, for CFG++ samplers. ``parameterization``
    tells sigma_min, sigma_max, percent_to_sigma and whether the model is a flow. ``seed`` seeds the sampler's noise,
    which is drawn as ``step_noise`` says.
    """

    parameterization: Parameterization
    seed: int
    step_noise: StepNoise

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor: ...

    def with_uncond(self, x: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]: ...


class StepCallback(Protocol):
    """Called after each step with its index (0-based), the current sigma, x, and the denoised prediction."""

    def __call__(self, step: int, sigma: Tensor, x: Tensor, denoised: Tensor) -> None: ...


@dataclass(frozen=True, slots=True)
class Sampler:
    """SAMPLER: the name of a function in the sampler table and options that override its own."""

    wire: ClassVar[str] = "SAMPLER"
    name: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Sigmas:
    """SIGMAS: noise levels from high to low, float32[steps + 1], on the CPU."""

    wire: ClassVar[str] = "SIGMAS"
    values: torch.Tensor


@dataclass(frozen=True, slots=True)
class Noise:
    """NOISE: a seed, or None for no noise at all."""

    wire: ClassVar[str] = "NOISE"
    seed: int | None


@dataclass(frozen=True, slots=True, eq=False)
class Guider:
    """GUIDER: a model with the conditionings it is guided by and how they combine.

    ``kind``: ``basic`` (positive alone), ``cfg``, ``dual_cfg`` (positive, middle, negative) or ``perp_neg``.
    ``part_scales``: instead of ``cfg``, of each part of a latent of as many.
    """

    wire: ClassVar[str] = "GUIDER"
    model: Model
    kind: Literal["basic", "cfg", "dual_cfg", "perp_neg"]
    conditionings: Mapping[str, Conditioning]
    cfg: float = 1.0
    options: Mapping[str, Any] = field(default_factory=dict)
    part_scales: tuple[float, ...] = ()
