"""ControlNets: loading them, and applying them to conditionings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, NamedTuple

from engine.context import Context
from engine.errors import InputInvalid
from engine.inputs import Choice, FileChoice
from engine.registry import node
from engine.types import Image, Mask
from nodes import diffusion
from nodes.choices import Progress, Strength
from nodes.values import Cond, Conditioning, Control, ControlNet, Model, Vae

CATEGORY = "conditioning/controlnet"
NetName = Annotated[str, FileChoice("controlnet")]

# Modes of a union ControlNet in the order of its task embeddings; "auto" leaves the choice to the network.
UNION_TYPES = (
    "openpose",
    "depth",
    "hed/pidi/scribble/ted",
    "canny/lineart/anime_lineart/mlsd",
    "normal",
    "segment",
    "tile",
    "repaint",
)


class ConditioningPair(NamedTuple):
    """A positive and a negative conditioning under the same control."""

    positive: Conditioning
    negative: Conditioning


@node("ControlNetLoader", category="loaders", display_name="Load ControlNet Model")
def load_control_net(ctx: Context, *, control_net_name: NetName) -> ControlNet:
    """A ControlNet, union ControlNet or T2I adapter in its original or in diffusers' layout."""
    net = diffusion.control.load_control_net(ctx.folders.find("controlnet", control_net_name))
    if net.difference:
        raise InputInvalid(
            f"'{control_net_name}' is stored as the difference to a model's weights",
            input="control_net_name",
            remedy="load it with DiffControlNetLoader, which takes the model too",
        )
    return net


@node("DiffControlNetLoader", category="loaders", display_name="Load ControlNet Model (diff)")
def load_control_net_for_model(ctx: Context, *, model: Model, control_net_name: NetName) -> ControlNet:
    """A ControlNet; one that is stored as a difference is added to the model's weights, others ignore it."""
    net = diffusion.control.load_control_net(ctx.folders.find("controlnet", control_net_name))
    return diffusion.merging.add_to_model(ctx.models, net, model) if net.difference else net


@node("SetUnionControlNetType", category=CATEGORY)
def set_union_type(
    ctx: Context, *, control_net: ControlNet, type: Annotated[str, Choice("auto", *UNION_TYPES)]
) -> ControlNet:
    """A union ControlNet told which kind of picture it will get."""
    kinds = control_net.modes or len(UNION_TYPES)
    if type != "auto" and UNION_TYPES.index(type) >= kinds:
        raise InputInvalid(
            f"this union ControlNet knows {kinds} kinds of pictures, and '{type}' is none of them",
            input="type",
            remedy="use the ProMax version of the network, or pick " + " or ".join(UNION_TYPES[:kinds]),
        )
    return replace(control_net, union_type=None if type == "auto" else UNION_TYPES.index(type))


@node("ControlNetApply", category=CATEGORY, display_name="Apply ControlNet (OLD)", deprecated=True)
def apply_control(
    ctx: Context, *, conditioning: Conditioning, control_net: ControlNet, image: Image, strength: Strength = 1.0
) -> Conditioning:
    """The conditioning under a control picture, which then also holds for the negative prompt of the sampler."""
    if strength == 0:
        return conditioning
    return _controlled([conditioning], control_net, image, strength, 0.0, 1.0, for_others=True)[0]


@node("ControlNetApplyAdvanced", category=CATEGORY, display_name="Apply ControlNet")
def apply_control_advanced(
    ctx: Context,
    *,
    positive: Conditioning,
    negative: Conditioning,
    control_net: ControlNet,
    image: Image,
    strength: Strength = 1.0,
    start_percent: Progress = 0.0,
    end_percent: Progress = 1.0,
    vae: Vae | None = None,
) -> ConditioningPair:
    """Both conditionings under a control picture, between two points of the sampling."""
    if strength == 0:
        return ConditioningPair(positive, negative)

    both = [positive, negative]
    return ConditioningPair(
        *_controlled(both, control_net, image, strength, start_percent, end_percent, vae, for_others=False)
    )


@node(
    "ControlNetApplySD3",
    category="model/conditioning/controlnet",
    display_name="Apply Controlnet with VAE",
    deprecated=True,
)
def apply_control_with_vae(
    ctx: Context,
    *,
    positive: Conditioning,
    negative: Conditioning,
    control_net: ControlNet,
    vae: Vae,
    image: Image,
    strength: Strength = 1.0,
    start_percent: Progress = 0.0,
    end_percent: Progress = 1.0,
) -> ConditioningPair:
    """As ControlNetApplyAdvanced, for ControlNets that read the picture as a latent."""
    if strength == 0:
        return ConditioningPair(positive, negative)
    both = [positive, negative]
    return ConditioningPair(
        *_controlled(both, control_net, image, strength, start_percent, end_percent, vae, for_others=False)
    )


@node(
    "ControlNetInpaintingAliMamaApply",
    category="model/conditioning/controlnet",
    display_name="Apply ControlNet Inpainting (AliMama)",
)
def apply_inpainting_control(
    ctx: Context,
    *,
    positive: Conditioning,
    negative: Conditioning,
    control_net: ControlNet,
    vae: Vae,
    image: Image,
    mask: Mask,
    strength: Strength = 1.0,
    start_percent: Progress = 0.0,
    end_percent: Progress = 1.0,
) -> ConditioningPair:
    """As ControlNetApplyAdvanced, for ControlNets that draw what a mask covers; others get the whole picture."""
    if strength == 0:
        return ConditioningPair(positive, negative)
    covered: Mask | None = None
    if control_net.takes_mask:
        covered = mask
        height, width = image.pixels.shape[1:3]
        kept = diffusion.latents.resize(1 - mask.values[:, None], width, height, "bilinear", crop=True).round()
        image = Image(image.pixels * kept.movedim(1, -1))
    both = [positive, negative]
    return ConditioningPair(
        *_controlled(
            both, control_net, image, strength, start_percent, end_percent, vae, mask=covered, for_others=False
        )
    )


def _controlled(
    conditionings: Sequence[Conditioning],
    net: ControlNet,
    image: Image,
    strength: float,
    start: float,
    end: float,
    vae: Vae | None = None,
    *,
    mask: Mask | None = None,
    for_others: bool,
) -> list[Conditioning]:
    """Each conditioning with one more control. Entries of equal history share it, so they still run in one batch."""
    if image.pixels.shape[0] == 0:
        raise InputInvalid("the control picture is an empty batch", input="image", remedy="give at least one picture")
    hint = image.pixels[..., :3].movedim(-1, 1)
    values = None if mask is None else mask.values
    shared: dict[int, Control] = {}

    def change(entry: Cond) -> Cond:
        control = Control(net, hint, strength, start, end, previous=entry.control, vae=vae, mask=values)
        control = shared.setdefault(id(entry.control), control)
        return replace(entry, control=control, control_apply_to_uncond=for_others)

    return [conditioning.map(change) for conditioning in conditionings]
