"""Prompts of Stable Diffusion 1 (CLIP-L's last layer) and 2 (the last but one of OpenCLIP ViT-H)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from engine.errors import InputInvalid
from engine.model_store import ModelStore
from nodes.diffusion.text.clip import Prompts, encode_clip, tokenized
from nodes.diffusion.text.encoder import EncoderReading
from nodes.values import Clip, Cond

_READINGS: Mapping[str, EncoderReading] = {
    "sd15": EncoderReading(None, norm=True, projected=False),
    "sd2": EncoderReading(-2, norm=True, projected=True),
}


def encode(models: ModelStore, clip: Clip, text: Prompts, embeddings: Sequence[Path] = ()) -> Cond:
    """``context``: float32[1, tokens, width], a multiple of 77 tokens; ``pooled``: float32[1, width].

    Raises ``InputInvalid`` where ``text`` has a prompt for bigG.
    """
    if not isinstance(text, str) and "clip_g" in text:
        raise InputInvalid(
            f"there is a prompt for OpenCLIP bigG, which a CLIP of {clip.family.title} lacks",
            input="clip",
            remedy="use CLIPTextEncode, or the CLIP of an SDXL checkpoint",
        )
    kind = clip.kinds[0]
    chunks = tokenized(models, clip, text, embeddings)
    return Cond(*encode_clip(models, clip, kind, chunks[kind], _READINGS[clip.texts]))
