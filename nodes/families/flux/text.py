"""Flux.1's prompts: T5's last layer for the tokens, CLIP-L's summary beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from engine.model_store import ModelStore
from nodes.diffusion.text.clip import Prompts, encode_clip, prompt_for, tokenized
from nodes.diffusion.text.encoder import EncoderReading
from nodes.diffusion.text.lengths import Length
from nodes.diffusion.text.t5 import encode_prompt
from nodes.values import Clip, Cond

LENGTH = Length(256)
_SUMMARY = EncoderReading(None, norm=True, projected=False)


def encode(models: ModelStore, clip: Clip, text: Prompts, embeddings: Sequence[Path] = ()) -> Cond:
    """``context``: float32[1, 256 tokens or more, T5's width]; ``pooled``: float32[1, CLIP-L's width]."""
    context = encode_prompt(models, clip, prompt_for(text, "t5xxl"), LENGTH, embeddings)
    chunks = tokenized(models, clip, text, embeddings)["clip_l"]
    return Cond(context, encode_clip(models, clip, "clip_l", chunks, _SUMMARY)[1])
