"""Changes to what happens inside the UNet: FreeU, HyperTile, token merging, deep shrink, attention factors."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Annotated

from engine.context import Context
from engine.errors import InputInvalid
from engine.inputs import Bool, Choice, Float, Int, Shown
from engine.registry import node
from nodes import diffusion
from nodes.choices import Progress
from nodes.values import Model

CATEGORY = "model_patches/unet"
TORCH_ATTENTION = "pytorch attention"
Factor = Annotated[float, Float(min=0.0, max=10.0, step=0.01)]
Folded = Annotated[float, Float(min=0.0, max=10.0, step=0.01), Shown(advanced=True)]
ResizeMethod = Annotated[str, Choice("bicubic", "nearest-exact", "bilinear", "area", "bislerp")]


def _base_width(ctx: Context, model: Model) -> int:
    """Channels of the UNet's first level. Raises ``InputInvalid`` for other networks."""
    if "before_output" not in model.family.hooks:
        raise InputInvalid(
            f"FreeU scales the skips of a UNet, which models of {model.family.title} do not have",
            input="model",
            remedy="leave this node out, or take a model with a UNet",
        )
    return ctx.models.shapes(model.weights)["conv_in.weight"][0]


def _note_without(ctx: Context, model: Model, hook: str, what: str) -> None:
    """Say that a patch changes nothing where the model's network has no place for it."""
    if hook not in model.family.hooks:
        ctx.note(f"{what} changes nothing: models of {model.family.title} have no place for it")


@node("FreeU", category=CATEGORY)
def free_u(
    ctx: Context, *, model: Model, b1: Factor = 1.1, b2: Factor = 1.2, s1: Factor = 0.9, s2: Factor = 0.2
) -> Model:
    """The model with stronger backbone features (b1, b2) and weaker low frequencies in its skips (s1, s2)."""
    patch = diffusion.patches.freeu.freeu(_base_width(ctx, model), b1, b2, s1, s2, structured=False)
    return model.with_patches(patch)


@node("FreeU_V2", category=CATEGORY)
def free_u_v2(
    ctx: Context, *, model: Model, b1: Factor = 1.3, b2: Factor = 1.4, s1: Factor = 0.9, s2: Factor = 0.2
) -> Model:
    """FreeU with a backbone factor that follows the feature map's own mean."""
    patch = diffusion.patches.freeu.freeu(_base_width(ctx, model), b1, b2, s1, s2, structured=True)
    return model.with_patches(patch)


@node("HyperTile", category=CATEGORY)
def hyper_tile(
    ctx: Context,
    *,
    model: Model,
    tile_size: Annotated[int, Int(min=1, max=2048)] = 256,
    swap_size: Annotated[int, Int(min=1, max=128)] = 2,
    max_depth: Annotated[int, Int(min=0, max=10)] = 0,
    scale_depth: Annotated[bool, Bool()] = False,
) -> Model:
    """Self-attention in tiles of at least ``tile_size`` pixels: faster at large sizes."""
    _note_without(ctx, model, "self_attention", "HyperTile")
    hypertile = diffusion.patches.hypertile.hypertile
    return model.with_hooks_per_sampling(
        lambda source: hypertile(tile_size, swap_size, max_depth, source, scale_depth=scale_depth)
    )


@node("TomePatchModel", category=CATEGORY)
def merge_tokens(
    ctx: Context, *, model: Model, ratio: Annotated[float, Float(min=0.0, max=1.0, step=0.01)] = 0.3
) -> Model:
    """Similar tokens attend as one at the finest level: faster, a little less exact."""
    _note_without(ctx, model, "self_attention", "TomePatchModel")
    return model.with_hooks_per_sampling(partial(diffusion.patches.tome.token_merging, ratio))


@node("DeepCache", category=CATEGORY, search_aliases=("speed", "cache"))
def deep_cache(
    ctx: Context,
    *,
    model: Model,
    cache_interval: Annotated[int, Int(min=1, max=1000)] = 3,
    cache_depth: Annotated[int, Int(min=0, max=12)] = 3,
    start_step: Annotated[int, Int(min=0, max=1000)] = 0,
    end_step: Annotated[int, Int(min=0, max=1000)] = 1000,
) -> Model:
    """The UNet's inner blocks at every ``cache_interval``-th noise level only: faster, a little less exact.

    ``cache_depth``: how many outer blocks run always; less is faster. Outside ``start_step`` to ``end_step`` all run.
    """
    _note_without(ctx, model, "deep", "DeepCache")
    deepcache = diffusion.patches.deepcache.deepcache
    return model.with_hooks_per_sampling(lambda _: deepcache(cache_interval, cache_depth, start_step, end_step))


@node("PatchModelAddDownscale", category=CATEGORY, display_name="PatchModelAddDownscale (Kohya Deep Shrink)")
def deep_shrink(
    ctx: Context,
    *,
    model: Model,
    block_number: Annotated[int, Int(min=1, max=32, step=1)] = 3,
    downscale_factor: Annotated[float, Float(min=0.1, max=9.0, step=0.001)] = 2.0,
    start_percent: Progress = 0.0,
    end_percent: Progress = 0.35,
    downscale_after_skip: Annotated[bool, Bool()] = True,
    downscale_method: ResizeMethod = "bicubic",
    upscale_method: ResizeMethod = "bicubic",
) -> Model:
    """A smaller feature map from one input block on during the first steps: large pictures stay coherent."""
    _note_without(ctx, model, "after_input", "PatchModelAddDownscale")
    patch = diffusion.patches.downscale.deep_shrink(
        model.parameterization,
        block_number,
        downscale_factor,
        start_percent,
        end_percent,
        after_skip=downscale_after_skip,
        down_method=downscale_method,
        up_method=upscale_method,
    )
    return model.with_patches(patch)


@node("UNetSelfAttentionMultiply", category="_for_testing/attention_experiments", experimental=True)
def multiply_self_attention(
    ctx: Context, *, model: Model, q: Factor = 1.0, k: Factor = 1.0, v: Factor = 1.0, out: Factor = 1.0
) -> Model:
    """The UNet's self-attention with its projections multiplied."""
    return _multiplied(ctx, model, "attn1", q, k, v, out)


@node("UNetCrossAttentionMultiply", category="_for_testing/attention_experiments", experimental=True)
def multiply_cross_attention(
    ctx: Context, *, model: Model, q: Factor = 1.0, k: Factor = 1.0, v: Factor = 1.0, out: Factor = 1.0
) -> Model:
    """The UNet's cross-attention with its projections multiplied."""
    return _multiplied(ctx, model, "attn2", q, k, v, out)


def _multiplied(ctx: Context, model: Model, attention: str, q: float, k: float, v: float, out: float) -> Model:
    factors = {"to_q": q, "to_k": k, "to_v": v, "to_out.0": out}
    names = ctx.models.shapes(model.weights)
    patch = diffusion.patches.scaling.scale_projections(names, attention, factors)
    return model.with_weight_patch(patch)


@node("UNetTemporalAttentionMultiply", category="experimental/attention_experiments", experimental=True)
def multiply_outputs_of_attention(
    ctx: Context,
    *,
    model: Model,
    self_structural: Folded = 1.0,
    self_temporal: Folded = 1.0,
    cross_structural: Folded = 1.0,
    cross_temporal: Folded = 1.0,
) -> Model:
    """What attention adds multiplied: within pictures (structural) and between a film's frames (temporal)."""
    patch = diffusion.patches.scaling.scale_attention_outputs(
        ctx.models.shapes(model.weights),
        {"attn1": (self_structural, self_temporal), "attn2": (cross_structural, cross_temporal)},
    )
    if not patch.factors:
        ctx.note(
            f"UNetTemporalAttentionMultiply changes nothing: models of {model.family.title} have no such attention"
        )
    return model.with_weight_patch(patch)


def _any_kernel(ctx: Context, *, attention: str) -> None:
    """Takes every name: kernels that are not here give way to torch's."""


@node("ModelAttentionBackend", category="model/patch", validate=_any_kernel)
def choose_attention(ctx: Context, *, model: Model, attention: Annotated[str, Choice(TORCH_ATTENTION)]) -> Model:
    """The model, its attention computed by this kernel instead of the one that the settings choose."""
    if attention != TORCH_ATTENTION:
        ctx.note(f"the attention kernel '{attention}' is not here: torch's is used")
    return replace(model, attention="sdpa")
