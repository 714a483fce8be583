"""Other ways than plain classifier-free guidance to combine predictions."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from engine.context import Context
from engine.inputs import Bool, Float, Int, Shown
from engine.registry import node
from nodes import diffusion
from nodes.choices import Cfg, Progress
from nodes.hooks import CfgSpan, GuidancePatches
from nodes.values import Conditioning, Model

Scale = Annotated[float, Float(min=0.0, max=100.0, step=0.01)]
_Strength = Annotated[float, Float(min=0.01, max=100.0, step=0.001, display="number"), Shown(advanced=True)]


class Patched(NamedTuple):
    """A model that guides in another way."""

    patched_model: Model


@node("RescaleCFG", category="advanced/model")
def rescale_cfg(
    ctx: Context, *, model: Model, multiplier: Annotated[float, Float(min=0.0, max=1.0, step=0.01)] = 0.7
) -> Model:
    """Guidance brought back to the positive prediction's spread, against washed-out pictures."""
    return model.with_guidance(diffusion.patches.cfg.rescale_cfg(multiplier, is_flow=model.parameterization.is_flow))


@node("PerturbedAttentionGuidance", category="model_patches/unet")
def perturbed_attention(
    ctx: Context,
    *,
    model: Model,
    scale: Annotated[float, Float(min=0.0, max=100.0, step=0.01, round=0.01)] = 3.0,
) -> Model:
    """Guidance away from a prediction made without the middle block's attention; one more pass a step."""
    return model.with_guidance(diffusion.patches.attention_guidance.perturbed_attention(scale))


@node("SelfAttentionGuidance", category="_for_testing", display_name="Self-Attention Guidance", experimental=True)
def self_attention(
    ctx: Context,
    *,
    model: Model,
    scale: Annotated[float, Float(min=-2.0, max=5.0, step=0.01)] = 0.5,
    blur_sigma: Annotated[float, Float(min=0.0, max=10.0, step=0.1)] = 2.0,
) -> Model:
    """Guidance away from a prediction blurred where the network looks most; one more pass a step."""
    make = diffusion.patches.attention_guidance.SelfAttentionGuidance
    return model.with_hooks_per_sampling(lambda _: make(scale, blur_sigma).hooks())


@node("PerpNeg", category="_for_testing", display_name="Perp-Neg (DEPRECATED by PerpNegGuider)",
      experimental=True, deprecated=True)  # fmt: skip
def perp_neg(ctx: Context, *, model: Model, empty_conditioning: Conditioning, neg_scale: Scale = 1.0) -> Model:
    """Guidance that takes of the negative prompt only what is perpendicular to the positive one."""
    return model.with_guidance(diffusion.patches.cfg.perpendicular_negative(empty_conditioning, neg_scale))


@node("CFGOverride", category="model/sampling/guiders", display_name="CFG Override")
def override_cfg(
    ctx: Context, *, model: Model, cfg: Cfg = 1.0, start_percent: Progress = 0.0, end_percent: Progress = 1.0
) -> Model:
    """Another scale of guidance for a part of the steps, by progress (0..1); of several, the last one holds."""
    high, low = (model.parameterization.percent_to_sigma(percent) for percent in (start_percent, end_percent))
    return model.with_guidance(GuidancePatches(cfg_within=(CfgSpan(cfg, high, low),)))


@node("APG", category="sampling/custom_sampling", display_name="Adaptive Projected Guidance")
def adaptive_projected(
    ctx: Context,
    *,
    model: Model,
    eta: Annotated[float, Float(min=-10.0, max=10.0, step=0.01)] = 1.0,
    norm_threshold: Annotated[float, Float(min=0.0, max=50.0, step=0.1)] = 5.0,
    momentum: Annotated[float, Float(min=-5.0, max=1.0, step=0.01)] = 0.0,
) -> Model:
    """Guidance split along and across the positive prediction, with a bounded length."""
    make = diffusion.patches.cfg.AdaptiveProjection
    return model.with_hooks_per_sampling(lambda _: make(eta, norm_threshold, momentum).hooks())


@node("TCFG", category="advanced/guidance", display_name="Tangential Damping CFG")
def tangential_damping(ctx: Context, *, model: Model) -> Patched:
    """Guidance whose negative prediction keeps only the direction it shares with the positive one."""
    return Patched(model.with_guidance(GuidancePatches(before=(diffusion.patches.cfg.tangential_damping,))))


@node("CFGZeroStar", category="advanced/guidance")
def cfg_zero_star(ctx: Context, *, model: Model) -> Patched:
    """Guidance whose negative prediction is scaled to fit the positive one."""
    return Patched(model.with_guidance(GuidancePatches(after=(diffusion.patches.cfg.cfg_zero_star,))))


@node("CFGNorm", category="advanced/guidance", experimental=True)
def cfg_norm(
    ctx: Context, *, model: Model, strength: Scale = 1.0, pre_cfg: Annotated[bool, Bool(optional=True)] = False
) -> Patched:
    """Guidance that makes no latent pixel longer than the positive prediction has it.

    ``pre_cfg``: the velocity as long as the positive one, which may lengthen it too.
    """
    patches = diffusion.patches.cfg
    return Patched(model.with_guidance(patches.norm_matched(strength) if pre_cfg else patches.cfg_norm(strength)))


@node(
    "Mahiro",
    category="_for_testing",
    display_name="Mahiro is so cute that she deserves a better guidance function!! (。・ω・。)",
    experimental=True,
)
def mahiro(ctx: Context, *, model: Model) -> Patched:
    """Guidance that leans on the positive prompt's own direction."""
    return Patched(model.with_guidance(GuidancePatches(after=(diffusion.patches.cfg.mahiro,))))


@node("FreSca", category="_for_testing", experimental=True)
def frequency_scaling(
    ctx: Context,
    *,
    model: Model,
    scale_low: Annotated[float, Float(min=0, max=10, step=0.01)] = 1.0,
    scale_high: Annotated[float, Float(min=0, max=10, step=0.01)] = 1.25,
    freq_cutoff: Annotated[int, Int(min=1, max=10000, step=1)] = 20,
) -> Model:
    """Guidance with its low and its high frequencies scaled apart."""
    return model.with_guidance(diffusion.patches.cfg.frequency_scaling(scale_low, scale_high, freq_cutoff))


@node("Epsilon Scaling", category="model_patches/unet")
def epsilon_scaling(
    ctx: Context,
    *,
    model: Model,
    scaling_factor: Annotated[float, Float(min=0.5, max=1.5, step=0.001, display="number")] = 1.005,
) -> Model:
    """Predicted noise divided by a factor, against exposure bias."""
    return model.with_guidance(diffusion.patches.cfg.epsilon_scaling(scaling_factor))


@node("TemporalScoreRescaling", category="model/patch/unet", display_name="TSR - Temporal Score Rescaling")
def temporal_score_rescaling(
    ctx: Context, *, model: Model, tsr_k: _Strength = 0.95, tsr_sigma: _Strength = 1.0
) -> Patched:
    """The score rescaled by the step's signal-to-noise ratio: below 1, ``tsr_k`` gives more detail, above it less.

    The larger ``tsr_sigma``, the earlier it takes effect.
    """
    return Patched(model.with_guidance(diffusion.patches.cfg.temporal_score_rescaling(tsr_k, tsr_sigma)))
