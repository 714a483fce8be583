"""The sampling driver: noise in, a sampler's steps under guidance, a latent out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from engine.context import Context
from engine.errors import InputInvalid
from nodes.diffusion import backend, control, nested, previews, regions, samplers
from nodes.diffusion import noise as noises
from nodes.diffusion.companions import with_companions
from nodes.diffusion.control.call import ControlFunction
from nodes.diffusion.denoiser import GuidedDenoiser, Inpainting
from nodes.diffusion.fitting import fit_latent, fit_noise_mask
from nodes.diffusion.guidance import Guidance
from nodes.diffusion.inputs import Scene
from nodes.diffusion.passes import Network
from nodes.diffusion.patches.cfg import by_parts
from nodes.diffusion.previews import Previewer
from nodes.diffusion.regions import Placed
from nodes.diffusion.two_networks import TwoNetworks, negative_model
from nodes.latent_space import LatentSpace
from nodes.sampling_values import Guider, Noise, Sampler
from nodes.values import Conditioning, Control, Latent, Model

# Samplers whose noise outside an inpainting mask is not the noise that they start from, but the next seed's.
FRESH_NOISE_AROUND_MASK = frozenset({"ddim"})


class Sampled(NamedTuple):
    """``output``: where the sampler ended; ``denoised_output``: its last prediction of the clean latent."""

    output: Latent
    denoised_output: Latent


def sample(
    ctx: Context,
    guider: Guider,
    sampler: Sampler,
    sigmas: Tensor,
    latent: Latent,
    *,
    noise_seed: int | None,
    seed: int,
    noise: Tensor | None = None,
) -> Sampled:
    """Denoise ``latent`` along ``sigmas`` (float32[steps + 1], from high to low; an empty one changes nothing).

    ``noise_seed`` seeds the noise that is added first, None adds none; ``seed`` is for the sampler's own noise.
    ``noise``: what is added instead of a seed's, float32 of the latent's shape.
    Reports progress after each step and stops there when the run is cancelled. Raises InputInvalid for a latent that
    is empty or whose channels are not the model's.
    """
    latent = fit_latent(latent, guider.model.space)
    if sigmas.numel() == 0:
        return Sampled(latent, latent)
    source = noises.generator(seed if noise_seed is None else noise_seed)
    added = _noise(latent, None if noise_seed is None else source) if noise is None else noise
    latent = replace(latent, noise_end=source.get_state())
    guider = _guiding_parts(replace(guider, model=guider.model.with_hooks_made(source)), latent)
    with torch.no_grad(), ExitStack() as leases:
        leases.enter_context(backend.using(backend.chosen(ctx.models, guider.model.weights, guider.model.attention)))
        guider = replace(guider, model=with_companions(ctx, guider.model, latent, leases))
        module = leases.enter_context(ctx.models.lease(guider.model.weights, guider.model.weight_patches))
        control = _lease_controls(ctx, guider, leases)
        shapes = tuple(tuple(part.samples.shape) for part in latent.parts)
        network = Network(module, guider.model, control, ctx.scheduler, shapes)
        other = negative_model(guider)
        if other is not None:
            other = other.with_hooks_made(source)
            second = leases.enter_context(ctx.models.lease(other.weights, other.weight_patches))
            network = TwoNetworks(network, Network(second, other, control, ctx.scheduler, shapes))
        preview = previews.previewer(ctx, guider.model.space, leases)
        run = _Run(ctx, guider, network, latent, added.to(next(module.parameters()).device), sigmas.float(), preview)
        return run(sampler, seed)


def _guiding_parts(guider: Guider, latent: Latent) -> Guider:
    """``guider`` with the scales that it has for parts, where the latent has as many."""
    scales = guider.part_scales
    if not scales or len(latent.parts) != len(scales) or len(set(scales)) == 1:
        return guider
    shapes = tuple(tuple(part.samples.shape) for part in latent.parts)
    return replace(guider, model=guider.model.with_guidance(by_parts(scales, shapes)))


def _lease_controls(ctx: Context, guider: Guider, leases: ExitStack) -> ControlFunction | None:
    """Load the ControlNets of all prompts for as long as ``leases`` is open."""
    chains: list[Control] = []
    for role, conditioning in guider.conditionings.items():
        for chain in (entry.control for entry in conditioning.entries if entry.control is not None):
            control.check_fit(ctx.models, chain, guider.model, role)
            chains.append(chain)
    if not chains:
        return None
    return control.lease(ctx, chains, guider.model, leases)


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
        self._shapes = tuple(tuple(part.samples.shape) for part in latent.parts)
        self._picture = to_model_scale(guider.model.space, latent).to(noise.device)
        self._mask = _noise_mask(latent, noise.device)

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
            self._ctx.progress(step + 1, steps, preview=lambda: self._preview(self._parts(denoised)[0]))

        x = samplers.find(sampler.name)(denoise, noisy, sigmas, callback=report, **sampler.options)
        x = parameterization.inverse_noise_scaling(samplers.last_level(sampler.name, sigmas), x)
        output = self._to_latent(x)
        return Sampled(output, self._to_latent(last[0]) if last else output)

    def _place_all(self, conditionings: Mapping[str, Conditioning]) -> dict[str, list[Placed]]:
        others = {"negative": negative_model(self._guider)}
        placed = {
            role: self._place(conditioning, role, others.get(role) or self._model)
            for role, conditioning in conditionings.items()
        }
        return self._fitted(placed)

    def _fitted(self, placed: dict[str, list[Placed]]) -> dict[str, list[Placed]]:
        placed = regions.share_controls(regions.pair_boxes(placed))
        return regions.clip_boxes(placed, *self._shapes[0][-2:])

    def _place_more(self, conditioning: Conditioning) -> list[Placed]:
        return self._fitted({"negative": self._place(conditioning, "negative", self._model)})["negative"]

    def _place(self, conditioning: Conditioning, role: str, model: Model) -> list[Placed]:
        latent, *others = self._parts(self._picture)
        mask, *other_masks = (None,) if self._mask is None else self._parts(self._mask)
        scene = Scene(model, latent, mask, self._noise, role, tuple(others), tuple(other_masks))
        _check_regions(conditioning, scene)
        inputs = model.family.sampling.inputs
        return [regions.place(entry, inputs(entry, scene), scene) for entry in conditioning.entries]

    def _inpainting(self, sampler: Sampler, seed: int) -> Inpainting | None:
        if self._mask is None:
            return None
        noise: Tensor | None = self._noise
        if self._model.keeps_clean:
            noise = None
        elif sampler.name in FRESH_NOISE_AROUND_MASK:
            noise = noises.inpainting(self._noise.shape, seed).to(self._noise.device)
        return Inpainting(self._mask, self._picture, noise, self._sigmas, self._model.guidance.denoise_mask)

    def _parts(self, packed: Tensor) -> tuple[Tensor, ...]:
        return nested.unpack(packed, self._shapes)

    def _to_latent(self, x: Tensor) -> Latent:
        made = from_model_scale(self._model.space, self._latent, self._parts(x.float()))
        return replace(made, space=None)


def _noise(latent: Latent, source: torch.Generator | None) -> Tensor:
    """Noise for all parts in turn, packed; None is no noise."""
    shapes = [part.samples.shape for part in latent.parts]
    if source is None:
        return nested.pack([torch.zeros(shape) for shape in shapes])
    return nested.pack([noises.drawn(shape, source, latent.batch_index) for shape in shapes])


def _noise_mask(latent: Latent, device: torch.device) -> Tensor | None:
    """The masks of all parts, packed; a part without one is denoised as a whole."""
    if all(part.noise_mask is None for part in latent.parts):
        return None
    masks = [
        torch.ones_like(part.samples)
        if part.noise_mask is None
        else fit_noise_mask(part.noise_mask, part.samples.shape)
        for part in latent.parts
    ]
    return nested.pack(masks).to(device)


def _check_regions(conditioning: Conditioning, scene: Scene) -> None:
    if scene.others and any(entry.area is not None or entry.mask is not None for entry in conditioning.entries):
        raise InputInvalid(
            "a prompt counts in an area only, which a latent of several parts (such as film and sound) does not have",
            input=scene.role,
            remedy="leave the prompt's area and mask out",
        )


def to_model_scale(space: LatentSpace, latent: Latent) -> Tensor:
    """All parts in the denoiser's scale, packed. An empty latent stays zeros, also where the space shifts latents."""
    samples = [part.samples.float() for part in latent.parts]
    if any(bool(each.any()) for each in samples):
        samples = [own.to_model(each) for own, each in zip((space, *space.others), samples, strict=False)]
    return nested.pack(samples)


def from_model_scale(space: LatentSpace, latent: Latent, parts: Sequence[Tensor]) -> Latent:
    """``latent`` with ``parts`` of the denoiser's scale for samples, on the CPU."""
    first, *others = (own.from_model(each).cpu() for own, each in zip((space, *space.others), parts, strict=False))
    rest = tuple(replace(part, samples=own) for part, own in zip(latent.others, others, strict=True))
    return replace(latent, samples=first, others=rest)


def add_noise(model: Model, noise: Noise, sigmas: Tensor, latent: Latent) -> Latent:
    """``latent`` with noise of level |first sigma - last sigma| added, or of the only sigma there is."""
    if sigmas.numel() == 0:
        return latent
    level = (sigmas[0] - sigmas[-1]).abs() if sigmas.numel() > 1 else sigmas[0]
    noisy = model.parameterization.add_noise(
        level,
        _noise(latent, None if noise.seed is None else noises.generator(noise.seed)),
        to_model_scale(model.space, latent),
    )
    parts = nested.unpack(noisy, tuple(tuple(part.samples.shape) for part in latent.parts))
    made = from_model_scale(model.space, latent, parts)
    samples = made.samples.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
    return replace(made, samples=samples)
