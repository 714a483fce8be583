"""Prompts of LTX-Video: T5's last layer, at least 128 tokens long, and which of them are the prompt's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from engine.model_store import ModelStore
from nodes.diffusion.text.clip import Prompts, prompt_for
from nodes.diffusion.text.lengths import Length
from nodes.diffusion.text.t5 import encode_known
from nodes.values import Clip, Cond

LENGTH = Length(128)


def encode(models: ModelStore, clip: Clip, text: Prompts, embeddings: Sequence[Path] = ()) -> Cond:
    """``context``: float32[1, tokens, T5's width]; ``attention_mask``: int64[1, tokens], 1 up to the prompt's end."""
    context, mask = encode_known(models, clip, prompt_for(text, "t5xxl") or "", LENGTH, embeddings)
    return Cond(context, extra={"attention_mask": mask})
