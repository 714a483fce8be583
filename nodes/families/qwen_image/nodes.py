"""Prompts with pictures and layered latents for Qwen-Image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import lazy_loader as lazy

from engine.context import Context
from engine.inputs import MAX_SIDE_PX, Int, Prompt
from engine.registry import node
from engine.types import Image
from nodes import diffusion, memory
from nodes.families.wan.spaces import SPACE
from nodes.values import Clip, Conditioning, Latent, Vae

if TYPE_CHECKING:
    import torch
    from torch import Tensor
else:
    torch = lazy.load("torch")

CATEGORY = "model/conditioning/qwen image"
MEGAPIXEL = 1024 * 1024
SEEN_PX = 384 * 384  # what the encoder is shown of each of several pictures
CELL_PX = 8
Pixels16 = Annotated[int, Int(min=16, max=MAX_SIDE_PX, step=16)]


@node("TextEncodeQwenImageEdit", category=CATEGORY)
def encode_edit(
    ctx: Context, *, clip: Clip, prompt: Prompt, vae: Vae | None = None, image: Image | None = None
) -> Conditioning:
    """What to change in a picture, which the encoder sees at one megapixel; with ``vae`` the model refers to it too."""
    if image is None:
        return _encoded(ctx, clip, prompt, [], [])
    picture = _scaled(image.pixels, MEGAPIXEL)[..., :3]
    references = [] if vae is None else [diffusion.vae.encode(ctx, vae, picture)]
    return _encoded(ctx, clip, prompt, [picture[0]], references)


@node("TextEncodeQwenImageEditPlus", category=CATEGORY)
def encode_edit_plus(
    ctx: Context,
    *,
    clip: Clip,
    prompt: Prompt,
    vae: Vae | None = None,
    image1: Image | None = None,
    image2: Image | None = None,
    image3: Image | None = None,
) -> Conditioning:
    """What to make of up to three pictures, which the prompt calls Picture 1 and so on; with ``vae`` as references."""
    from nodes.families.qwen_image import text as texts

    seen, references, marks = [], [], ""
    for number, image in enumerate((image1, image2, image3), start=1):
        if image is None:
            continue
        seen.append(_scaled(image.pixels, SEEN_PX)[0, ..., :3])
        if vae is not None:
            references.append(diffusion.vae.encode(ctx, vae, _scaled(image.pixels, MEGAPIXEL, CELL_PX)[..., :3]))
        marks += f"Picture {number}: {texts.PICTURE_MARK}"
    return _encoded(ctx, clip, marks + prompt, seen, references, texts.EDIT_TEMPLATE)


def _layered_bytes(*, width: int, height: int, layers: int, batch_size: int, **_: object) -> int:
    return batch_size * SPACE.channels * (layers + 1) * (height // CELL_PX) * (width // CELL_PX) * memory.FLOAT_BYTES


@node(
    "EmptyQwenImageLayeredLatentImage",
    category="model/latent/qwen",
    display_name="Empty Qwen Image Layered Latent",
    memory=_layered_bytes,
)
def empty_layered_latent(
    ctx: Context,
    *,
    width: Pixels16 = 640,
    height: Pixels16 = 640,
    layers: Annotated[int, Int(min=0, max=MAX_SIDE_PX, step=1)] = 3,
    batch_size: Annotated[int, Int(min=1, max=4096)] = 1,
) -> Latent:
    """Zeros to denoise, the whole picture and its layers: float32[batch, 16, layers + 1, height / 8, width / 8]."""
    size = (height // CELL_PX, width // CELL_PX)
    return Latent(torch.zeros(batch_size, SPACE.channels, layers + 1, *size), space=SPACE)


def _encoded(
    ctx: Context,
    clip: Clip,
    prompt: str,
    pictures: Sequence[Tensor],
    references: Sequence[Tensor],
    template: str | None = None,
) -> Conditioning:
    from nodes.families.qwen_image import text as texts

    entry = texts.encode_with_pictures(ctx.models, clip, prompt, pictures, template)
    if references:
        entry = replace(entry, extra={**entry.extra, "reference_latents": tuple(references)})
    return Conditioning((entry,))


def _scaled(pixels: Tensor, area_px: int, multiple_px: int = 1) -> Tensor:
    """Pictures, float32[batch, height, width, channels], at about ``area_px`` pixels, with sides of a multiple."""
    height, width = pixels.shape[1:3]
    scale = math.sqrt(area_px / (width * height))
    tall, wide = (round(side * scale / multiple_px) * multiple_px for side in (height, width))
    return diffusion.latents.resize(pixels.movedim(-1, 1), wide, tall, "area").movedim(1, -1)
