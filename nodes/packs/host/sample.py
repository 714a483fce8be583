"""``comfy.sample``: noise, and a whole sampling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from nodes import diffusion
from nodes.diffusion import noise as noises
from nodes.packs import conditionings
from nodes.packs.running import context
from nodes.sampling_values import Guider, Sampler
from nodes.values import Conditioning, Latent


def prepare_noise(latent_image: Tensor, seed: int, noise_inds: Sequence[int] | None = None) -> Tensor:
    """The noise of a seed, of the latent's shape."""
    inds = None if noise_inds is None else [int(place) for place in noise_inds]
    return noises.initial(latent_image.shape, int(seed), inds)


def fix_empty_latent_channels(model: Any, latent_image: Tensor, *_: Any) -> Tensor:
    """An empty latent of another space, as one of the model's."""
    return diffusion.fitting.fit_latent(Latent(latent_image), model.ours.space).samples


def sample(
    model: Any,
    noise: Tensor,
    steps: int,
    cfg: float,
    sampler_name: str,
    scheduler: str,
    positive: Any,
    negative: Any,
    latent_image: Tensor,
    denoise: float = 1.0,
    disable_noise: bool = False,
    start_step: int | None = None,
    last_step: int | None = None,
    force_full_denoise: bool = False,
    noise_mask: Tensor | None = None,
    sigmas: Tensor | None = None,
    callback: Any = None,
    disable_pbar: bool = False,
    seed: int | None = None,
) -> Tensor:
    """The latent, denoised from ``noise`` on, as KSamplerAdvanced would. Steps are told to the run alone."""
    if sigmas is None:
        parameterization = model.ours.parameterization
        levels = diffusion.schedules.sampler_sigmas(parameterization, sampler_name, scheduler, steps, denoise)
    else:
        levels = sigmas.detach().cpu().float()
    if start_step is not None or last_step is not None:
        end = len(levels) if last_step is None else last_step
        levels = diffusion.schedules.window(levels, start_step or 0, end, end_clean=force_full_denoise)
    return _sampled(
        model, positive, negative, cfg, Sampler(sampler_name), levels, noise, latent_image, noise_mask, seed
    )


def sample_custom(
    model: Any,
    noise: Tensor,
    cfg: float,
    sampler: Sampler,
    sigmas: Tensor,
    positive: Any,
    negative: Any,
    latent_image: Tensor,
    noise_mask: Tensor | None = None,
    callback: Any = None,
    disable_pbar: bool = False,
    seed: int | None = None,
) -> Tensor:
    """The latent, denoised along any noise levels."""
    return _sampled(model, positive, negative, cfg, sampler, sigmas, noise, latent_image, noise_mask, seed)


def _sampled(
    model: Any,
    positive: Any,
    negative: Any,
    cfg: float,
    sampler: Sampler,
    levels: Tensor,
    noise: Tensor,
    latent_image: Tensor,
    noise_mask: Tensor | None,
    seed: int | None,
) -> Tensor:
    roles = {"positive": _ours(positive), "negative": _ours(negative)}
    guider = Guider(model.ours, "cfg", roles, cfg=float(cfg))
    mask = None if noise_mask is None else noise_mask.detach().cpu().float()
    latent = Latent(latent_image.detach().to("cpu", torch.float32), mask)
    made = diffusion.sampling.sample(
        context(),
        guider,
        sampler,
        levels.detach().cpu().float(),
        latent,
        noise_seed=None,
        seed=int(seed or 0),
        noise=noise.detach().to("cpu", torch.float32),
    )
    return made.output.samples


def _ours(value: Any) -> Conditioning:
    return value if isinstance(value, Conditioning) else conditionings.to_ours(value)
