"""Pictures as prompts, by IP-Adapter: the nodes of the pack ComfyUI_IPAdapter_plus that need no network of faces."""

from __future__ import annotations

from typing import Annotated, NamedTuple, cast

from engine.context import Context
from engine.errors import InputInvalid
from engine.fingerprint import file_fingerprint
from engine.inputs import Choice, FileChoice, Float
from engine.registry import node
from engine.types import Image, Mask
from nodes import diffusion
from nodes.values import Model
from nodes.vision_values import ClipVision, IpAdapter

CATEGORY = "ipadapter"
KINDS = ("ipadapter", "clip_vision")
WEIGHT_TYPES = ("linear", "ease in", "ease out", "ease in-out", "reverse in-out", "weak input", "weak output",
                "weak middle", "strong middle", "style transfer", "composition", "strong style transfer",
                "style and composition", "style transfer precise", "composition precise")  # fmt: skip
PRESETS = ("LIGHT - SD1.5 only (low strength)", "STANDARD (medium strength)", "VIT-G (medium strength)",
           "PLUS (high strength)", "PLUS FACE (portraits)",
           "FULL FACE - SD1.5 only (portraits stronger)")  # fmt: skip
SIMPLE = {"standard": "linear", "prompt is more important": "ease out", "style transfer": "style transfer"}

Start = Annotated[float, Float(min=0.0, max=1.0, step=0.001)]


class ModelAndAdapter(NamedTuple):
    """``model``; ``ipadapter``."""

    model: Model
    ipadapter: IpAdapter


@node("IPAdapterModelLoader", category=f"{CATEGORY}/loaders", display_name="IPAdapter Model Loader")
def load_ip_adapter(ctx: Context, *, ipadapter_file: Annotated[str, FileChoice("ipadapter")]) -> IpAdapter:
    """An IP-Adapter from a file; the picture encoder that it was trained with is loaded apart."""
    return diffusion.ip_adapter.load_ip_adapter(ctx.folders.find("ipadapter", ipadapter_file))


def _files_of_preset(ctx: Context, *, preset: str) -> list[str]:
    """Fingerprints of all files that a preset may mean, by the models of either family."""
    adapters, encoders = (ctx.folders.files(kind) for kind in KINDS)
    meant = diffusion.ip_adapter.files_meant(preset, adapters, encoders)
    return [
        file_fingerprint(ctx.folders.find(kind, name))
        for kind, names in zip(KINDS, meant, strict=True)
        for name in names
    ]


@node(
    "IPAdapterUnifiedLoader", category=CATEGORY, display_name="IPAdapter Unified Loader", fingerprint=_files_of_preset
)
def load_by_preset(
    ctx: Context, *, model: Model, preset: Annotated[str, Choice(*PRESETS)], ipadapter: IpAdapter | None = None
) -> ModelAndAdapter:
    """The published IP-Adapter of a preset for the model's family with its picture encoder, found by their names."""
    width = diffusion.ip_adapter.context_width(ctx.models, model)
    names = (ctx.folders.files(kind) for kind in KINDS)
    adapter, encoder = diffusion.ip_adapter.preset_files(preset, width, *names)
    vision = diffusion.vision.load_vision(ctx.folders.find("clip_vision", encoder))
    return ModelAndAdapter(model, diffusion.ip_adapter.load_ip_adapter(ctx.folders.find("ipadapter", adapter), vision))


@node("IPAdapter", category=CATEGORY)
def apply_simply(
    ctx: Context,
    *,
    model: Model,
    ipadapter: IpAdapter,
    image: Image,
    weight: Annotated[float, Float(min=-1.0, max=3.0, step=0.05)] = 1.0,
    start_at: Start = 0.0,
    end_at: Start = 1.0,
    weight_type: Annotated[str, Choice(*SIMPLE)],
    attn_mask: Mask | None = None,
) -> Model:
    """The model with pictures as part of its prompts, from the loader that brings the picture encoder as well."""
    how = diffusion.ip_adapter.How(weight, SIMPLE[weight_type], progress=(start_at, end_at))
    return _applied(ctx, model, ipadapter, None, image, how, None, attn_mask)


@node("IPAdapterAdvanced", category=CATEGORY, display_name="IPAdapter Advanced")
def apply(
    ctx: Context,
    *,
    model: Model,
    ipadapter: IpAdapter,
    image: Image,
    weight: Annotated[float, Float(min=-1.0, max=5.0, step=0.05)] = 1.0,
    weight_type: Annotated[str, Choice(*WEIGHT_TYPES)],
    combine_embeds: Annotated[str, Choice("concat", "add", "subtract", "average", "norm average")],
    start_at: Start = 0.0,
    end_at: Start = 1.0,
    embeds_scaling: Annotated[str, Choice("V only", "K+V", "K+V w/ C penalty", "K+mean(V) w/ C penalty")],
    image_negative: Image | None = None,
    attn_mask: Mask | None = None,
    clip_vision: ClipVision | None = None,
) -> Model:
    """The model with pictures as part of its prompts: how strongly, in which of its layers, when and where."""
    how = diffusion.ip_adapter.How(
        weight,
        weight_type,
        cast(diffusion.ip_adapter.CombinedBy, combine_embeds),
        cast(diffusion.ip_adapter.ScaledBy, embeds_scaling),
        (start_at, end_at),
    )
    return _applied(ctx, model, ipadapter, clip_vision, image, how, image_negative, attn_mask)


def _applied(
    ctx: Context,
    model: Model,
    adapter: IpAdapter,
    encoder: ClipVision | None,
    image: Image,
    how: diffusion.ip_adapter.How,
    negative: Image | None,
    mask: Mask | None,
) -> Model:
    encoder = encoder or adapter.vision
    if encoder is None:
        raise InputInvalid(
            "there is no picture encoder",
            input="clip_vision",
            remedy="connect a CLIPVisionLoader, or load both with IPAdapterUnifiedLoader",
        )
    return diffusion.ip_adapter.apply(
        ctx.models,
        model,
        adapter,
        encoder,
        image.pixels,
        how,
        negative=None if negative is None else negative.pixels,
        mask=None if mask is None else mask.values,
    )
