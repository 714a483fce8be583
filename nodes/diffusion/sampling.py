"""The sampling driver: noise in, a sampler's steps under guidance, a latent out."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.context import Context
from engine.errors import InputInvalid
from engine.types import Latent
from nodes.diffusion import backend, control, previews, regions, samplers
from nodes.diffusion import noise as noises
from nodes.diffusion.denoiser import GuidedDenoiser, Inpainting
from nodes.diffusion.guidance import Guidance
from nodes.diffusion.inputs import Scene, repeat_batch
from nodes.diffusion.passes import ControlFunction, Network
from nodes.diffusion.previews import Previewer
from nodes.diffusion.regions import Placed
from nodes.values import Conditioning, Control, Guider, Model, Noise, Sampler

# Samplers whose noise outside an inpainting mask is not the noise that they start from, but the next seed's.
FRESH_NOISE_AROUND_MASK = frozenset({"ddim"})


class Sampled(NamedTuple):
    """``output``: where the sampler ended; ``denoised_output``: its last prediction of the clean latent."""

    output: Latent
    denoised_output: Latent


def sample(
    ctx: Context, guider: Guider, sampler: Sampler, sigmas: Tensor, latent: Latent, *, noise_seed: int | None, seed: int
) -> Sampled:
    """Denoise ``latent`` along ``sigmas`` (float32[steps + 1], from high to low; an empty one changes nothing).

    ``noise_seed`` seeds the noise that is added first, None adds none; ``seed`` is for the sampler's own noise.
    Reports progress after each step and stops there when the run is cancelled. Raises InputInvalid for a latent that
    is empty or whose channels are not the model's.
    """
    latent = fit_channels(latent, guider.model)
    if sigmas.numel() == 0:
        return Sampled(latent, latent)
    source = noises.generator(seed if noise_seed is None else noise_seed)
    shape = latent.samples.shape
    noise = torch.zeros(shape) if noise_seed is None else noises.drawn(shape, source, latent.batch_index)
    guider = replace(guider, model=guider.model.with_hooks_made(source))
    with torch.no_grad(), ExitStack() as leases:
        leases.enter_context(backend.using(backend.chosen(ctx.models, guider.model.weights)))
        module = leases.enter_context(ctx.models.lease(guider.model.weights, guider.model.weight_patches))
        control = _lease_controls(ctx, guider, leases)
        network = Network(module, guider.model, control, ctx.turns)
        preview = previews.previewer(ctx, guider.model.space, leases)
        run = _Run(ctx, guider, network, latent, noise.to(next(module.parameters()).device), sigmas.float(), preview)
        return run(sampler, seed)


def _lease_controls(ctx: Context, guider: Guider, leases: ExitStack) -> ControlFunction | None:
    """Load the ControlNets of all prompts for as long as ``leases`` is open."""
    chains: list[Control] = []
    for role, conditioning in guider.conditionings.items():
        for chain in (entry.control for entry in conditioning.entries if entry.control is not None):
            control.check_fit(ctx.models, chain, guider.model, role)
            chains.append(chain)
    if not chains:
        return None
    return control.lease(ctx, chains, guider.model.parameterization, leases)


class _Run:
    """One sampling call: the tensors it works on, on the device and in the denoiser's scale."""

    def __init__(
        self,
        ctx: Context,
        guider: Guider,
        network: Network,
        latent: Latent,
        noise: Tensor,
        sigmas: Tensor,
        preview: Previewer,
    ) -> None:
        self._ctx, self._guider, self._network = ctx, guider, network
        self._latent, self._noise, self._sigmas = latent, noise, sigmas
        self._preview = preview
        self._model = guider.model
        self._picture = to_model_scale(guider.model, latent.samples.float().to(noise.device))
        self._mask = None
        if latent.noise_mask is not None:
            self._mask = fit_noise_mask(latent.noise_mask, self._picture.shape).to(noise.device)

    def __call__(self, sampler: Sampler, seed: int) -> Sampled:
        parameterization, sigmas = self._model.parameterization, self._sigmas
        placed = self._place_all(self._guider.conditionings)
        guidance = Guidance(self._guider, self._network, placed, self._place_more, parameterization)
        step_noise = self._ctx.models.computing.step_noise
        denoise = GuidedDenoiser(guidance, parameterization, seed, self._inpainting(sampler, seed), step_noise)
        from_pure_noise = parameterization.is_max_denoise(float(sigmas[0]))
        noisy = parameterization.add_noise(sigmas[0], self._noise, self._picture, max_denoise=from_pure_noise)
        last: list[Tensor] = []

        def report(step: int, sigma: Tensor, x: Tensor, denoised: Tensor) -> None:
            last[:] = [denoised]
            steps = max(len(sigmas) - 1, step + 1)
            self._ctx.progress(step + 1, steps, preview=lambda: self._preview(denoised))

        x = samplers.SAMPLERS[sampler.name](denoise, noisy, sigmas, callback=report, **sampler.options)
        x = parameterization.inverse_noise_scaling(samplers.last_level(sampler.name, sigmas), x)
        output = self._to_latent(x)
        return Sampled(output, self._to_latent(last[0]) if last else output)

    def _place_all(self, conditionings: Mapping[str, Conditioning]) -> dict[str, list[Placed]]:
        placed = {role: self._place(conditioning, role) for role, conditioning in conditionings.items()}
        placed = regions.share_controls(regions.pair_boxes(placed))
        return regions.clip_boxes(placed, *self._picture.shape[-2:])

    def _place_more(self, conditioning: Conditioning) -> list[Placed]:
        return self._place_all({"negative": conditioning})["negative"]

    def _place(self, conditioning: Conditioning, role: str) -> list[Placed]:
        scene = Scene(self._model, self._picture, self._mask, self._noise, role)
        inputs = self._model.family.sampling.inputs
        return [regions.place(entry, inputs(entry, scene), scene) for entry in conditioning.entries]

    def _inpainting(self, sampler: Sampler, seed: int) -> Inpainting | None:
        if self._mask is None:
            return None
        noise = self._noise
        if sampler.name in FRESH_NOISE_AROUND_MASK:
            noise = noises.inpainting(noise.shape, seed).to(noise.device)
        return Inpainting(self._mask, self._picture, noise, self._sigmas, self._model.guidance.denoise_mask)

    def _to_latent(self, x: Tensor) -> Latent:
        return replace(self._latent, samples=self._model.space.from_model(x.float()).cpu())


def initial_noise(latent: Latent, seed: int | None) -> Tensor:
    """Noise shaped as ``latent.samples``, on the CPU; None is no noise."""
    return noises.initial(latent.samples.shape, seed, latent.batch_index)


def to_model_scale(model: Model, samples: Tensor) -> Tensor:
    """A latent in the denoiser's scale. An empty one stays zeros, also where the family shifts latents."""
    return model.space.to_model(samples) if bool(samples.any()) else samples


def fit_channels(latent: Latent, model: Model) -> Latent:
    """``latent`` with as many channels as the model has; only an empty one (all zeros) can be changed."""
    channels, samples = model.space.channels, latent.samples
    if samples.shape[0] == 0 or samples.numel() == 0:
        raise InputInvalid(
            "the latent is empty (no pictures in the batch)",
            input="latent_image",
            remedy="give a batch of at least one",
        )
    if samples.shape[1] == channels:
        return latent
    if bool(samples.any()):
        raise InputInvalid(
            f"the latent has {samples.shape[1]} channels, but the model works on {channels}",
            input="latent_image",
            remedy="encode the picture with the VAE of the same model family",
        )
    return replace(latent, samples=samples.new_zeros(samples.shape[0], channels, *samples.shape[2:]))


def fit_noise_mask(mask: Tensor, shape: torch.Size) -> Tensor:
    """A noise mask of any size as float32[batch, channels, height, width] of ``shape``, bilinearly resized."""
    batch, channels, height, width = shape
    mask = mask.float().reshape(-1, 1, *mask.shape[-2:])
    mask = F.interpolate(mask, size=(height, width), mode="bilinear")
    return repeat_batch(mask, batch).expand(-1, channels, -1, -1)


def add_noise(model: Model, noise: Noise, sigmas: Tensor, latent: Latent) -> Latent:
    """``latent`` with noise of level |first sigma - last sigma| added, or of the only sigma there is."""
    if sigmas.numel() == 0:
        return latent
    level = (sigmas[0] - sigmas[-1]).abs() if sigmas.numel() > 1 else sigmas[0]
    picture = to_model_scale(model, latent.samples)
    noisy = model.parameterization.add_noise(level, initial_noise(latent, noise.seed), picture)
    samples = model.space.from_model(noisy).nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
    return replace(latent, samples=samples)
