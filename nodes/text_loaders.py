"""Nodes that load text encoders from files of their own."""

from __future__ import annotations

from typing import Annotated

from engine.context import Context
from engine.inputs import Choice, FileChoice
from engine.registry import node
from nodes import diffusion
from nodes.values import Clip

EncoderName = Annotated[str, FileChoice("text_encoders")]
# Where networks run is the model store's decision; the input is there because workflows carry it.
Device = Annotated[str, Choice("default", "cpu", optional=True)]

SINGLE_TYPES = (
    "stable_diffusion",
    "stable_cascade",
    "sd3",
    "stable_audio",
    "mochi",
    "ltxv",
    "pixart",
    "cosmos",
    "lumina2",
    "wan",
    "hidream",
    "chroma",
    "ace",
    "omnigen2",
    "qwen_image",
    "hunyuan_image",
    "flux2",
    "ovis",
    "longcat_image",
    "cogvideox",
    "lens",
    "pixeldit",
    "ideogram4",
    "boogu",
    "krea2",
    "joyimage",
    "mage",
    "minimax",
)
PAIR_TYPES = (
    "sdxl",
    "sd3",
    "flux",
    "hunyuan_video",
    "hidream",
    "hunyuan_image",
    "hunyuan_video_15",
    "kandinsky5",
    "kandinsky5_image",
    "ltxv",
    "newbie",
    "ace",
)


@node("CLIPLoader", category="model/loaders", display_name="Load CLIP")
def load_clip(
    ctx: Context, *, clip_name: EncoderName, type: Annotated[str, Choice(*SINGLE_TYPES)], device: Device = "default"
) -> Clip:
    """A text encoder from a file of its own. What it is decides who reads it; ``type`` only where several do."""
    return _load(ctx, type, clip_name)


@node("DualCLIPLoader", category="model/loaders", display_name="Load CLIP (Dual)")
def load_clip_pair(
    ctx: Context,
    *,
    clip_name1: EncoderName,
    clip_name2: EncoderName,
    type: Annotated[str, Choice(*PAIR_TYPES)],
    device: Device = "default",
) -> Clip:
    """Two text encoders that are read together, in either order: CLIP-L and bigG (SDXL), CLIP-L and T5 (Flux.1) ..."""
    return _load(ctx, type, clip_name1, clip_name2)


@node("TripleCLIPLoader", category="model/loaders", display_name="Load CLIP (Triple)")
def load_clip_triple(
    ctx: Context, *, clip_name1: EncoderName, clip_name2: EncoderName, clip_name3: EncoderName
) -> Clip:
    """Stable Diffusion 3's text encoders, CLIP-L, OpenCLIP bigG and T5, in any order."""
    return _load(ctx, "sd3", clip_name1, clip_name2, clip_name3)


@node("QuadrupleCLIPLoader", category="model/loaders", display_name="Load CLIP (Quadruple)")
def load_clip_quadruple(
    ctx: Context, *, clip_name1: EncoderName, clip_name2: EncoderName, clip_name3: EncoderName, clip_name4: EncoderName
) -> Clip:
    """Four text encoders that are read together, in any order."""
    return _load(ctx, "hidream", clip_name1, clip_name2, clip_name3, clip_name4)


def _load(ctx: Context, type: str, *names: str) -> Clip:
    return diffusion.text.load_clip([ctx.folders.find("text_encoders", name) for name in names], type)
