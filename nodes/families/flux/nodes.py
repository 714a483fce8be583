"""Prompts for Flux.1 with its guidance, and the sizes that Kontext was trained on."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from engine.context import Context
from engine.inputs import Float, Prompt
from engine.registry import node
from engine.types import Image
from nodes import memory, pictures
from nodes.text import encode_prompt, fingerprints
from nodes.values import Clip, Conditioning

CATEGORY = "model/conditioning/flux"
Guidance = Annotated[float, Float(min=0.0, max=100.0, step=0.1)]

# Width and height in pixels.
KONTEXT_SIZES = (
    (672, 1568),
    (688, 1504),
    (720, 1456),
    (752, 1392),
    (800, 1328),
    (832, 1248),
    (880, 1184),
    (944, 1104),
    (1024, 1024),
    (1104, 944),
    (1184, 880),
    (1248, 832),
    (1328, 800),
    (1392, 752),
    (1456, 720),
    (1504, 688),
    (1568, 672),
)


def _embeddings_of_two(ctx: Context, clip_l: str | None, t5xxl: str | None) -> list[str]:
    return fingerprints(ctx, clip_l, t5xxl)


@node("CLIPTextEncodeFlux", category=CATEGORY, fingerprint=_embeddings_of_two, keep=True)
def encode_text_flux(
    ctx: Context, *, clip: Clip, clip_l: Prompt, t5xxl: Prompt, guidance: Guidance = 3.5
) -> Conditioning:
    """A prompt for each of Flux.1's encoders, and the guidance that the model is told."""
    prompt = encode_prompt(ctx, clip, {"clip_l": clip_l, "t5xxl": t5xxl})
    return Conditioning((replace(prompt, extra={**prompt.extra, "guidance": guidance}),))


@node("FluxGuidance", category=CATEGORY)
def set_guidance(ctx: Context, *, conditioning: Conditioning, guidance: Guidance = 3.5) -> Conditioning:
    """The prompts with the guidance that the model is told."""
    return _told(conditioning, guidance)


@node("FluxDisableGuidance", category=CATEGORY)
def disable_guidance(ctx: Context, *, conditioning: Conditioning) -> Conditioning:
    """The prompts without any guidance, also where the model was trained with it."""
    return _told(conditioning, None)


def _kontext_bytes(*, image: Image, **_: object) -> int:
    count, _height, _width, channels = memory.shape_of(image)
    return 2 * count * channels * max(width * height for width, height in KONTEXT_SIZES) * memory.FLOAT_BYTES


@node("FluxKontextImageScale", category=CATEGORY, memory=_kontext_bytes)
def scale_for_kontext(ctx: Context, *, image: Image) -> Image:
    """The picture at the size nearest in shape of those that Kontext was trained on, cut to that shape."""
    shape = image.pixels.shape[2] / image.pixels.shape[1]
    _, width_px, height_px = min((abs(shape - width / height), width, height) for width, height in KONTEXT_SIZES)
    return Image(pictures.resize.to_size(image.pixels, width_px, height_px, "lanczos", crop=True))


def _told(conditioning: Conditioning, guidance: float | None) -> Conditioning:
    return conditioning.map(lambda entry: replace(entry, extra={**entry.extra, "guidance": guidance}))
