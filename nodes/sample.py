"""Nodes that denoise latents, and the guiders that say by which prompts."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from engine.context import Context
from engine.errors import InputInvalid
from engine.inputs import Choice, Float, Int, Seed
from engine.registry import node
from nodes import diffusion
from nodes.choices import Cfg, Denoise, SamplerName, SchedulerName, Steps
from nodes.sampling_values import Guider, Noise, Sampler, Sigmas
from nodes.values import Conditioning, Latent, Model


class TwoLatents(NamedTuple):
    """Where a sampler ended, and its last prediction of the clean latent."""

    output: Latent
    denoised_output: Latent


@node("KSampler", category="sampling", keep=True)
def ksampler(
    ctx: Context,
    *,
    model: Model,
    seed: Seed = 0,
    steps: Steps = 20,
    cfg: Cfg = 8.0,
    sampler_name: SamplerName,
    scheduler: SchedulerName,
    positive: Conditioning,
    negative: Conditioning,
    latent_image: Latent,
    denoise: Denoise = 1.0,
) -> Latent:
    """The latent with noise of ``seed``, denoised under ``positive`` and away from ``negative``.

    ``denoise`` below 1 keeps that much less of the schedule's start, so that more of ``latent_image`` remains.
    """
    levels = diffusion.schedules.sampler_sigmas(model.parameterization, sampler_name, scheduler, steps, denoise)
    guider = _cfg_guider(model, positive, negative, cfg)
    sampled = diffusion.sampling.sample(
        ctx, guider, Sampler(sampler_name), levels, latent_image, noise_seed=seed, seed=seed
    )
    return sampled.output


@node("KSamplerAdvanced", category="sampling", display_name="KSampler (Advanced)", keep=True)
def ksampler_advanced(
    ctx: Context,
    *,
    model: Model,
    add_noise: Annotated[str, Choice("enable", "disable")],
    noise_seed: Seed = 0,
    steps: Steps = 20,
    cfg: Cfg = 8.0,
    sampler_name: SamplerName,
    scheduler: SchedulerName,
    positive: Conditioning,
    negative: Conditioning,
    latent_image: Latent,
    start_at_step: Annotated[int, Int(min=0, max=10000)] = 0,
    end_at_step: Annotated[int, Int(min=0, max=10000)] = 10000,
    return_with_leftover_noise: Annotated[str, Choice("disable", "enable")],
) -> Latent:
    """Some steps of a schedule: from ``start_at_step`` up to ``end_at_step``.

    Without ``return_with_leftover_noise`` the last of them removes all noise that is left.
    """
    levels = diffusion.schedules.window(
        diffusion.schedules.sampler_sigmas(model.parameterization, sampler_name, scheduler, steps),
        start_at_step,
        end_at_step,
        end_clean=return_with_leftover_noise == "disable",
    )
    guider = _cfg_guider(model, positive, negative, cfg)
    noise = noise_seed if add_noise == "enable" else None
    sampled = diffusion.sampling.sample(
        ctx, guider, Sampler(sampler_name), levels, latent_image, noise_seed=noise, seed=noise_seed
    )
    return sampled.output


@node("SamplerCustom", category="sampling/custom_sampling", keep=True)
def sampler_custom(
    ctx: Context,
    *,
    model: Model,
    add_noise: bool = True,
    noise_seed: Seed = 0,
    cfg: Cfg = 8.0,
    positive: Conditioning,
    negative: Conditioning,
    sampler: Sampler,
    sigmas: Sigmas,
    latent_image: Latent,
) -> TwoLatents:
    """The latent denoised along any noise levels with any sampler."""
    guider = _cfg_guider(model, positive, negative, cfg)
    noise = noise_seed if add_noise else None
    return TwoLatents(
        *diffusion.sampling.sample(ctx, guider, sampler, sigmas.values, latent_image, noise_seed=noise, seed=noise_seed)
    )


@node("SamplerCustomAdvanced", category="sampling/custom_sampling", keep=True)
def sampler_custom_advanced(
    ctx: Context, *, noise: Noise, guider: Guider, sampler: Sampler, sigmas: Sigmas, latent_image: Latent
) -> TwoLatents:
    """The latent denoised along any noise levels with any sampler, noise and guidance."""
    seed = 0 if noise.seed is None else noise.seed
    return TwoLatents(
        *diffusion.sampling.sample(ctx, guider, sampler, sigmas.values, latent_image, noise_seed=noise.seed, seed=seed)
    )


@node("BasicGuider", category="sampling/custom_sampling/guiders")
def basic_guider(ctx: Context, *, model: Model, conditioning: Conditioning) -> Guider:
    """One prompt and no guidance: for distilled models."""
    return Guider(model, "basic", {"positive": conditioning})


@node("CFGGuider", category="sampling/custom_sampling/guiders")
def cfg_guider(ctx: Context, *, model: Model, positive: Conditioning, negative: Conditioning, cfg: Cfg = 8.0) -> Guider:
    """Classifier-free guidance (https://arxiv.org/abs/2207.12598) with scale ``cfg``."""
    return _cfg_guider(model, positive, negative, cfg)


@node("DualModelGuider", category="model/sampling/guiders", display_name="Dual Model CFG Guider", experimental=True)
def dual_model_guider(
    ctx: Context,
    *,
    model: Model,
    model_negative: Model | None = None,
    positive: Conditioning,
    cfg: Annotated[float, Float(min=0.0, max=100.0, step=0.1, round=0.01)] = 4.0,
    negative: Conditioning | None = None,
) -> Guider:
    """Classifier-free guidance whose negative prediction another model makes, where one is given.

    With ``cfg`` 1 only ``model`` runs, and needs no negative prompt.
    """
    if negative is None and cfg != 1.0:
        raise InputInvalid(
            f"models of {model.family.title} predict nothing without a prompt",
            input="negative",
            remedy="connect a negative prompt, or set cfg to 1",
        )
    prompts = {"positive": positive, **({} if negative is None else {"negative": negative})}
    options = {} if model_negative is None else {diffusion.two_networks.OPTION: model_negative}
    return Guider(model, "cfg", prompts, cfg, options)


@node("DualCFGGuider", category="sampling/custom_sampling/guiders")
def dual_cfg_guider(
    ctx: Context,
    *,
    model: Model,
    cond1: Conditioning,
    cond2: Conditioning,
    negative: Conditioning,
    cfg_conds: Cfg = 8.0,
    cfg_cond2_negative: Cfg = 8.0,
    style: Annotated[str, Choice("regular", "nested")],
) -> Guider:
    """Two scales (https://arxiv.org/abs/2211.09800): from ``cond2`` to ``cond1``, and from ``negative`` to them."""
    prompts = {"positive": cond1, "middle": cond2, "negative": negative}
    options = {"cfg_negative": cfg_cond2_negative, "nested": style == "nested"}
    return Guider(model, "dual_cfg", prompts, cfg_conds, options)


@node("PerpNegGuider", category="_for_testing", experimental=True)
def perp_neg_guider(
    ctx: Context,
    *,
    model: Model,
    positive: Conditioning,
    negative: Conditioning,
    empty_conditioning: Conditioning,
    cfg: Cfg = 8.0,
    neg_scale: Annotated[float, Float(min=0.0, max=100.0, step=0.01)] = 1.0,
) -> Guider:
    """Perp-Neg (https://arxiv.org/abs/2304.04968): only what of ``negative`` does not overlap ``positive`` counts."""
    prompts = {"positive": positive, "negative": negative, "empty": empty_conditioning}
    return Guider(model, "perp_neg", prompts, cfg, {"neg_scale": neg_scale})


@node("AddNoise", category="_for_testing/custom_sampling/noise")
def add_noise(ctx: Context, *, model: Model, noise: Noise, sigmas: Sigmas, latent_image: Latent) -> Latent:
    """The latent with noise of level first sigma - last sigma (of the one there is, if there is one)."""
    return diffusion.sampling.add_noise(model, noise, sigmas.values, latent_image)


def _cfg_guider(model: Model, positive: Conditioning, negative: Conditioning, cfg: float) -> Guider:
    return Guider(model, "cfg", {"positive": positive, "negative": negative}, cfg)
