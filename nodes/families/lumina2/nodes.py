"""Prompts and guidance as Lumina 2 wants them."""

from __future__ import annotations

from typing import Annotated

from engine.context import Context
from engine.inputs import Choice, Float, Prompt
from engine.registry import node
from nodes import diffusion
from nodes.text import encode_prompt
from nodes.values import Clip, Conditioning, Model

# What the model was trained with.
SYSTEM_PROMPTS = {
    "superior": (
        "You are an assistant designed to generate superior images with the superior degree of image-text alignment "
        "based on textual prompts or user prompts."
    ),
    "alignment": (
        "You are an assistant designed to generate high-quality images with the highest degree of image-text alignment "
        "based on textual prompts."
    ),
}


@node(
    "CLIPTextEncodeLumina2",
    category="model/conditioning/lumina",
    display_name="CLIP Text Encode (Lumina 2)",
    search_aliases=("lumina prompt",),
    keep=True,
)
def encode_text_lumina2(
    ctx: Context, *, system_prompt: Annotated[str, Choice(*SYSTEM_PROMPTS)], user_prompt: Prompt, clip: Clip
) -> Conditioning:
    """The prompt after one of the system prompts that Lumina 2 knows."""
    text = f"{SYSTEM_PROMPTS[system_prompt]} <Prompt Start> {user_prompt}"
    return Conditioning((encode_prompt(ctx, clip, text),))


@node("RenormCFG", category="model/patch")
def renorm_cfg(
    ctx: Context,
    *,
    model: Model,
    cfg_trunc: Annotated[float, Float(min=0.0, max=100.0, step=0.01)] = 100,
    renorm_cfg: Annotated[float, Float(min=0.0, max=100.0, step=0.01)] = 1.0,
) -> Model:
    """Guidance no longer than ``renorm_cfg`` times the positive prediction (0: as long as it is).

    At noise levels from ``cfg_trunc`` on there is no guidance at all.
    """
    return model.with_guidance(diffusion.patches.cfg.renorm_cfg(cfg_trunc, renorm_cfg))
