"""``comfy.samplers``: names of samplers and schedules, and sampling itself by our driver."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from nodes import diffusion
from nodes.choices import SAMPLER_NAMES as _SAMPLERS
from nodes.choices import SCHEDULER_NAMES as _SCHEDULERS
from nodes.packs.host import sample as _sample
from nodes.packs.objects import WrappedModel
from nodes.sampling_values import Sampler

SAMPLER_NAMES = KSAMPLER_NAMES = list(_SAMPLERS)
SCHEDULER_NAMES = list(_SCHEDULERS)
SCHEDULER_HANDLERS = dict.fromkeys(SCHEDULER_NAMES)


class KSampler:
    """A sampler over a model, with its noise levels."""

    SAMPLERS = SAMPLER_NAMES
    SCHEDULERS = SCHEDULER_NAMES
    DISCARD_PENULTIMATE_SIGMA_SAMPLERS = frozenset({"dpm_2", "dpm_2_ancestral", "uni_pc", "uni_pc_bh2"})

    def __init__(
        self,
        model: Any,
        steps: int,
        device: Any = None,
        sampler: str = "euler",
        scheduler: str = "normal",
        denoise: float | None = None,
        model_options: Any = None,
    ) -> None:
        self.model, self.steps, self.device = model, steps, device
        self.sampler, self.scheduler, self.denoise = sampler, scheduler, 1.0 if denoise is None else denoise
        parameterization = model.ours.parameterization
        self.sigmas = diffusion.schedules.sampler_sigmas(parameterization, sampler, scheduler, steps, self.denoise)

    def sample(
        self, noise: Tensor, positive: Any, negative: Any, cfg: float, latent_image: Tensor, **options: Any
    ) -> Tensor:
        """The denoised latent."""
        options = {"sigmas": self.sigmas, **options}
        return _sample.sample(
            self.model,
            noise,
            self.steps,
            cfg,
            self.sampler,
            self.scheduler,
            positive,
            negative,
            latent_image,
            **options,
        )


def sampler_object(name: str) -> Sampler:
    """The SAMPLER of that name."""
    return Sampler(name)


ksampler = sampler_object


def calculate_sigmas(model_sampling: Any, scheduler_name: str, steps: int) -> Tensor:
    """The noise levels of a schedule."""
    parameterization: Any = getattr(model_sampling, "_parameterization", None)
    if isinstance(model_sampling, WrappedModel):
        parameterization = model_sampling.ours.parameterization
    return diffusion.schedules.sigmas(parameterization, scheduler_name, steps)
