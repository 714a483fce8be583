"""Prompts of SDXL: the last but one layers of CLIP-L and OpenCLIP bigG side by side; the refiner reads bigG alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from engine.errors import InputInvalid
from engine.model_store import ModelStore
from nodes.diffusion.text.clip import Prompts, encode_clip, side_by_side, tokenized
from nodes.diffusion.text.encoder import EncoderReading
from nodes.values import Clip, Cond

_READING = EncoderReading(-2, norm=False, projected=True)


def encode(models: ModelStore, clip: Clip, text: Prompts, embeddings: Sequence[Path] = ()) -> Cond:
    """``context``: float32[1, tokens, width], a multiple of 77 tokens; ``pooled``: bigG's, float32[1, width].

    Raises ``InputInvalid`` where ``text`` leaves out one of the encoders.
    """
    chunks = tokenized(models, clip, text, embeddings)
    if missing := [kind for kind in clip.kinds if kind not in chunks]:
        raise InputInvalid(
            f"there is no prompt for the encoder '{missing[0]}' of {clip.family.title}",
            input="clip",
            remedy="use CLIPTextEncode or CLIPTextEncodeSDXL",
        )
    read = [encode_clip(models, clip, kind, chunks[kind], _READING) for kind in clip.kinds]
    return Cond(side_by_side([context for context, _ in read]), read[-1][1])
