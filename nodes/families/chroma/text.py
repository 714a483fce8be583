"""Chroma's prompts: T5's last layer, without padding. What weights are measured from is all padding."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from engine.model_store import ModelStore
from nodes.diffusion.text.clip import Prompts, prompt_for
from nodes.diffusion.text.lengths import Length
from nodes.diffusion.text.t5 import encode_prompt
from nodes.values import Clip, Cond

LENGTH = Length(1, empty_end=False)


def encode(models: ModelStore, clip: Clip, text: Prompts, embeddings: Sequence[Path] = ()) -> Cond:
    """``context``: float32[1, tokens, T5's width]."""
    return Cond(encode_prompt(models, clip, prompt_for(text, "t5xxl"), LENGTH, embeddings))
