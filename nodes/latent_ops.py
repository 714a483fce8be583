"""Nodes that resize, cut, turn, mix and post-process latents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, ClassVar

import lazy_loader as lazy

from engine.context import Context
from engine.errors import InputInvalid
from engine.inputs import MAX_SIDE_PX, Choice, Float, Int
from engine.registry import node
from engine.types import Mask
from nodes import diffusion, memory
from nodes.hooks import GuidancePatches, Guided
from nodes.latent_space import PIXELS_PER_LATENT
from nodes.values import Latent, Model

if TYPE_CHECKING:
    import torch
    from torch import Tensor
else:
    torch = lazy.load("torch")

MIN_UPSCALE_PX = 64
MIN_CROP = 8

UpscaleMethod = Annotated[str, Choice("nearest-exact", "bilinear", "area", "bicubic", "bislerp")]
TargetPixels = Annotated[int, Int(min=0, max=MAX_SIDE_PX, step=8)]
CropPixels = Annotated[int, Int(min=64, max=MAX_SIDE_PX, step=8)]


@dataclass(frozen=True, slots=True, eq=False)
class LatentOperation:
    """LATENT_OPERATION: a change of float32[batch, channels, height, width], of the same shape."""

    wire: ClassVar[str] = "LATENT_OPERATION"
    apply: Callable[[Tensor], Tensor]


# --- size and place ----------------------------------------------------------------------------------------------


@node("LatentUpscale", category="latent", display_name="Upscale Latent", memory=memory.upscaled_latent)
def latent_upscale(
    ctx: Context,
    *,
    samples: Latent,
    upscale_method: UpscaleMethod,
    width: TargetPixels = 512,
    height: TargetPixels = 512,
    crop: Annotated[str, Choice("disabled", "center")],
) -> Latent:
    """The latent for a picture of ``width`` x ``height``, at least 64; 0 keeps the aspect ratio, two 0 the size."""
    if width == 0 and height == 0:
        return samples
    old_height, old_width = samples.samples.shape[-2:]
    if width == 0:
        height = max(MIN_UPSCALE_PX, height)
        width = round(old_width * height / old_height)
    elif height == 0:
        width = max(MIN_UPSCALE_PX, width)
        height = round(old_height * width / old_width)
    new_width, new_height = (max(MIN_UPSCALE_PX, side) // PIXELS_PER_LATENT for side in (width, height))
    resized = diffusion.latents.resize(samples.samples, new_width, new_height, upscale_method, crop == "center")
    return replace(samples, samples=resized)


@node("LatentUpscaleBy", category="latent", display_name="Upscale Latent By", memory=memory.scaled_latent)
def latent_upscale_by(
    ctx: Context,
    *,
    samples: Latent,
    upscale_method: UpscaleMethod,
    scale_by: Annotated[float, Float(min=0.01, max=8.0, step=0.01)] = 1.5,
) -> Latent:
    """The latent ``scale_by`` times as wide and high, at least one latent pixel."""
    height, width = (max(1, round(side * scale_by)) for side in samples.samples.shape[-2:])
    return replace(samples, samples=diffusion.latents.resize(samples.samples, width, height, upscale_method))


@node("LatentCutToBatch", category="latent/advanced")
def latent_cut_to_batch(
    ctx: Context,
    *,
    samples: Latent,
    dim: Annotated[str, Choice("t", "x", "y")],
    slice_size: Annotated[int, Int(min=1, max=MAX_SIDE_PX, step=1)] = 1,
) -> Latent:
    """Slices along time, width or height as a batch; what is left over is dropped, of pictures none are cut in time."""
    values = samples.samples
    axis = values.ndim - {"x": 1, "y": 2, "t": 3}[dim]
    if axis < 2:
        return samples
    moved = values.movedim(axis, 1)
    size = min(slice_size, moved.shape[1])
    whole = moved[:, : moved.shape[1] // size * size]
    return replace(samples, samples=whole.reshape(-1, size, *whole.shape[2:]).movedim(1, axis))


@node("LatentCrop", category="latent/transform", display_name="Crop Latent")
def latent_crop(
    ctx: Context,
    *,
    samples: Latent,
    width: CropPixels = 512,
    height: CropPixels = 512,
    x: TargetPixels = 0,
    y: TargetPixels = 0,
) -> Latent:
    """A rectangle of the latent, given in pixels of the picture; as much of it as there is.

    It begins 64 pixels before the end at the latest; where the latent has fewer, it is counted from the end, as in
    ComfyUI: ``left`` and ``top`` are below 0 then.
    """
    have_height, have_width = samples.samples.shape[-2:]
    left, top = min(x // PIXELS_PER_LATENT, have_width - MIN_CROP), min(y // PIXELS_PER_LATENT, have_height - MIN_CROP)
    right, bottom = left + width // PIXELS_PER_LATENT, top + height // PIXELS_PER_LATENT
    cropped = samples.samples[..., top:bottom, left:right]
    if not cropped.numel():
        raise InputInvalid(
            "nothing is left of the latent",
            input="samples",
            remedy="crop a larger rectangle, or one that begins earlier",
        )
    return replace(samples, samples=cropped)


@node("LatentFlip", category="latent/transform", display_name="Flip Latent")
def latent_flip(
    ctx: Context, *, samples: Latent, flip_method: Annotated[str, Choice("x-axis: vertically", "y-axis: horizontally")]
) -> Latent:
    """The latent mirrored: top to bottom (about the x axis) or left to right (about the y axis)."""
    return replace(samples, samples=samples.samples.flip(-2 if flip_method.startswith("x") else -1))


@node("LatentRotate", category="latent/transform", display_name="Rotate Latent")
def latent_rotate(
    ctx: Context,
    *,
    samples: Latent,
    rotation: Annotated[str, Choice("none", "90 degrees", "180 degrees", "270 degrees")],
) -> Latent:
    """The latent turned clockwise."""
    turns = {"none": 0, "90 degrees": 1, "180 degrees": 2, "270 degrees": 3}[rotation]
    return replace(samples, samples=torch.rot90(samples.samples, turns, dims=(-1, -2)))


# --- two latents -------------------------------------------------------------------------------------------------


@node("LatentComposite", category="latent", display_name="Latent Composite")
def latent_composite(
    ctx: Context,
    *,
    samples_to: Latent,
    samples_from: Latent,
    x: TargetPixels = 0,
    y: TargetPixels = 0,
    feather: TargetPixels = 0,
) -> Latent:
    """``samples_from`` laid over ``samples_to`` at (x, y), faded over ``feather``; all in pixels of the picture."""
    place = (side // PIXELS_PER_LATENT for side in (x, y, feather))
    return replace(samples_to, samples=diffusion.latents.paste(samples_to.samples, samples_from.samples, *place))


@node("LatentCompositeMasked", category="latent")
def latent_composite_masked(
    ctx: Context,
    *,
    destination: Latent,
    source: Latent,
    x: TargetPixels = 0,
    y: TargetPixels = 0,
    resize_source: bool = False,
    mask: Mask | None = None,
) -> Latent:
    """``source`` over ``destination`` at (x, y) in pixels of the picture, where ``mask`` is 1."""
    samples = diffusion.latents.composite(
        destination.samples,
        source.samples,
        x // PIXELS_PER_LATENT,
        y // PIXELS_PER_LATENT,
        None if mask is None else mask.values,
        resize_source,
    )
    return replace(destination, samples=samples)


@node("LatentBlend", category="_for_testing", display_name="Latent Blend")
def latent_blend(
    ctx: Context,
    *,
    samples1: Latent,
    samples2: Latent,
    blend_factor: Annotated[float, Float(min=0, max=1, step=0.01)] = 0.5,
) -> Latent:
    """``samples1`` by ``blend_factor`` and ``samples2`` by the rest, resized to the first.

    One latent is blended with each of a batch, whichever of the two it is.
    """
    first, second = samples1.samples, samples2.samples
    if first.shape != second.shape:
        second = diffusion.latents.fit(second, first, repeat=first.shape[0] > 1, method="bicubic")
    return replace(samples1, samples=first * blend_factor + second * (1 - blend_factor))


@node("LatentAdd", category="latent/advanced")
def latent_add(ctx: Context, *, samples1: Latent, samples2: Latent) -> Latent:
    """The sum, the second latent resized to the first."""
    return replace(samples1, samples=samples1.samples + diffusion.latents.fit(samples2.samples, samples1.samples))


@node("LatentSubtract", category="latent/advanced")
def latent_subtract(ctx: Context, *, samples1: Latent, samples2: Latent) -> Latent:
    """The difference, the second latent resized to the first."""
    return replace(samples1, samples=samples1.samples - diffusion.latents.fit(samples2.samples, samples1.samples))


@node("LatentMultiply", category="latent/advanced")
def latent_multiply(
    ctx: Context, *, samples: Latent, multiplier: Annotated[float, Float(min=-10.0, max=10.0, step=0.01)] = 1.0
) -> Latent:
    """The latent scaled."""
    return replace(samples, samples=samples.samples * multiplier)


@node("LatentInterpolate", category="latent/advanced")
def latent_interpolate(
    ctx: Context,
    *,
    samples1: Latent,
    samples2: Latent,
    ratio: Annotated[float, Float(min=0.0, max=1.0, step=0.01)] = 1.0,
) -> Latent:
    """Between the latents, at 1 the first: directions and lengths of the channel vectors mixed apart."""
    second = diffusion.latents.fit(samples2.samples, samples1.samples)
    return replace(samples1, samples=diffusion.latents.interpolate(samples1.samples, second, ratio))


@node("LatentConcat", category="latent/advanced", memory=memory.joined_latents)
def latent_concat(
    ctx: Context,
    *,
    samples1: Latent,
    samples2: Latent,
    dim: Annotated[str, Choice("x", "-x", "y", "-y", "t", "-t")],
) -> Latent:
    """Side by side along x, y or (in films) time; with a minus, the second comes first."""
    return replace(samples1, samples=diffusion.latents.join(samples1.samples, samples2.samples, dim))


@node("LatentCut", category="latent/advanced")
def latent_cut(
    ctx: Context,
    *,
    samples: Latent,
    dim: Annotated[str, Choice("x", "y", "t")],
    index: Annotated[int, Int(min=-MAX_SIDE_PX, max=MAX_SIDE_PX, step=1)] = 0,
    amount: Annotated[int, Int(min=1, max=MAX_SIDE_PX, step=1)] = 1,
) -> Latent:
    """``amount`` latent pixels along ``dim`` from ``index`` on; a negative index counts from the end."""
    return replace(samples, samples=diffusion.latents.cut(samples.samples, dim, index, amount))


# --- operations --------------------------------------------------------------------------------------------------


@node("LatentApplyOperation", category="latent/advanced/operations", experimental=True)
def latent_apply_operation(ctx: Context, *, samples: Latent, operation: LatentOperation) -> Latent:
    """The latent after the operation."""
    return replace(samples, samples=operation.apply(samples.samples))


@node("LatentApplyOperationCFG", category="latent/advanced/operations", experimental=True)
def latent_apply_operation_cfg(ctx: Context, *, model: Model, operation: LatentOperation) -> Model:
    """The model with the operation applied to the difference of its predictions at every step."""

    def change(guided: Guided) -> Guided:
        uncond = torch.zeros_like(guided.cond) if guided.uncond is None else guided.uncond
        return replace(guided, cond=operation.apply(guided.cond - uncond) + uncond)

    return model.with_guidance(GuidancePatches(before=(change,)))


@node("LatentOperationTonemapReinhard", category="latent/advanced/operations", experimental=True)
def latent_operation_tonemap_reinhard(
    ctx: Context, *, multiplier: Annotated[float, Float(min=0.0, max=100.0, step=0.01)] = 1.0
) -> LatentOperation:
    """Reinhard's tone mapping of the channel vectors' lengths."""
    return LatentOperation(partial(diffusion.latent_effects.tonemap_reinhard, multiplier=multiplier))


@node("LatentOperationSharpen", category="latent/advanced/operations", experimental=True)
def latent_operation_sharpen(
    ctx: Context,
    *,
    sharpen_radius: Annotated[int, Int(min=1, max=31, step=1)] = 9,
    sigma: Annotated[float, Float(min=0.1, max=10.0, step=0.1)] = 1.0,
    alpha: Annotated[float, Float(min=0.0, max=5.0, step=0.01)] = 0.1,
) -> LatentOperation:
    """Unsharp masking of the channel vectors' directions."""
    return LatentOperation(partial(diffusion.latent_effects.sharpen, radius=sharpen_radius, sigma=sigma, alpha=alpha))
