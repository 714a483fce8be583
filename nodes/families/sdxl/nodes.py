"""Prompts for Stable Diffusion XL, with the sizes and scores that its networks read."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from engine.context import Context
from engine.inputs import Float, Prompt
from engine.registry import node
from nodes.text import SidePx, embeddings_of_one, encode_prompt, fingerprints
from nodes.values import Clip, Conditioning


def _embeddings_of_two(ctx: Context, text_g: str | None, text_l: str | None) -> list[str]:
    return fingerprints(ctx, text_g, text_l)


@node("CLIPTextEncodeSDXL", category="advanced/conditioning", fingerprint=_embeddings_of_two, keep=True)
def encode_text_sdxl(
    ctx: Context,
    *,
    clip: Clip,
    width: SidePx = 1024,
    height: SidePx = 1024,
    crop_w: SidePx = 0,
    crop_h: SidePx = 0,
    target_width: SidePx = 1024,
    target_height: SidePx = 1024,
    text_g: Prompt,
    text_l: Prompt,
) -> Conditioning:
    """A prompt for each of SDXL's encoders, and the sizes and crop in pixels that the model is told."""
    size = {
        "width": width,
        "height": height,
        "crop_w": crop_w,
        "crop_h": crop_h,
        "target_width": target_width,
        "target_height": target_height,
    }
    return Conditioning((replace(encode_prompt(ctx, clip, {"clip_g": text_g, "clip_l": text_l}), size=size),))


@node("CLIPTextEncodeSDXLRefiner", category="advanced/conditioning", fingerprint=embeddings_of_one, keep=True)
def encode_text_sdxl_refiner(
    ctx: Context,
    *,
    ascore: Annotated[float, Float(min=0.0, max=1000.0, step=0.01)] = 6.0,
    width: SidePx = 1024,
    height: SidePx = 1024,
    text: Prompt,
    clip: Clip,
) -> Conditioning:
    """A prompt for SDXL's refiner, with the aesthetic score (1 to 10) and the size in pixels that it is told."""
    size = {"aesthetic_score": ascore, "width": width, "height": height}
    return Conditioning((replace(encode_prompt(ctx, clip, text), size=size),))
