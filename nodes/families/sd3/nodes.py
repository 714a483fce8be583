"""Prompts for Stable Diffusion 3, one for each encoder."""

from __future__ import annotations

from typing import Annotated

from engine.context import Context
from engine.inputs import Choice, Prompt
from engine.registry import node
from nodes.text import encode_prompt, fingerprints
from nodes.values import Clip, Conditioning


def _embeddings_of_three(ctx: Context, clip_l: str | None, clip_g: str | None, t5xxl: str | None) -> list[str]:
    return fingerprints(ctx, clip_l, clip_g, t5xxl)


@node(
    "CLIPTextEncodeSD3",
    category="model/conditioning/stable diffusion",
    display_name="CLIP Text Encode (SD3)",
    search_aliases=("sd3 prompt",),
    fingerprint=_embeddings_of_three,
    keep=True,
)
def encode_text_sd3(
    ctx: Context,
    *,
    clip: Clip,
    clip_l: Prompt,
    clip_g: Prompt,
    t5xxl: Prompt,
    empty_padding: Annotated[str, Choice("none", "empty_prompt")],
) -> Conditioning:
    """A prompt for each of Stable Diffusion 3's encoders; ``none``: an empty one is no prompt at all."""
    prompts = {"clip_l": clip_l, "clip_g": clip_g, "t5xxl": t5xxl}
    if empty_padding == "none":
        prompts = {kind: prompt for kind, prompt in prompts.items() if prompt}
        if {"clip_l", "clip_g"} & prompts.keys():
            # One CLIP's sections are filled up to the other's with empty ones.
            prompts = {"clip_l": "", "clip_g": "", **prompts}
    return Conditioning((encode_prompt(ctx, clip, prompts),))
