"""Prompts of Z-Image: the last but one layer of Qwen3, which is shown them as a user's message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.model_store import ModelStore
from nodes.diffusion.language.encoding import Layers, embedding_files, one_prompt, read
from nodes.diffusion.language.pieces import Piece, pieces_of
from nodes.diffusion.language.qwen3 import ROTATION
from nodes.diffusion.language.qwen_tokenizer import PAD, STOPS, spelled, token_ids
from nodes.diffusion.language.writing import Asked, Writer, files_for
from nodes.values import Clip, Cond

TEMPLATE = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
EMBEDDING_PART = "qwen3_4b"


def encode(models: ModelStore, clip: Clip, text: str | Mapping[str, str], embeddings: Sequence[Path] = ()) -> Cond:
    """``context``: float32[1, tokens, width]. Parentheses do not weigh anything; ``embedding:name`` is looked for."""
    files = embedding_files(models, clip, "qwen3", EMBEDDING_PART, embeddings)
    pieces = pieces_of(TEMPLATE.format(one_prompt(text)), token_ids, files)
    found = read(models, clip, "qwen3", pieces, Layers(-2), ROTATION, PAD)
    return Cond(found.context, extra={"attention_mask": found.mask})


def writer(texts: str) -> Writer:
    """Qwen3, which answers the prompt."""
    return Writer("qwen3", ROTATION, STOPS, _asked, spelled)


def _asked(module: Any, asked: Asked) -> list[Piece]:
    return pieces_of(TEMPLATE.format(asked.prompt), token_ids, files_for(module, EMBEDDING_PART, asked))
