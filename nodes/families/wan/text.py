"""Prompts of Wan: UMT5's last layer, at least 512 tokens long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from engine.model_store import ModelStore
from nodes.diffusion.language.encoding import one_prompt
from nodes.diffusion.text.lengths import Length
from nodes.diffusion.text.umt5 import encode_prompt
from nodes.values import Clip, Cond

LENGTH = Length(512)


def encode(models: ModelStore, clip: Clip, text: str | Mapping[str, str], embeddings: Sequence[Path] = ()) -> Cond:
    """``context``: float32[1, tokens, width]; rows of padding are zeros."""
    return Cond(encode_prompt(models, clip, one_prompt(text), LENGTH, embeddings))
