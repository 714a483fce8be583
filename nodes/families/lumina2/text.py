"""Prompts of Lumina 2: the last but one layer of Gemma 2, with weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.model_store import ModelStore
from nodes.diffusion.language.decoder import tokenizer_of
from nodes.diffusion.language.encoding import Layers, one_prompt, run
from nodes.diffusion.language.gemma2 import ROTATION
from nodes.diffusion.language.pieces import Piece
from nodes.diffusion.language.sentence_pieces import SentencePieces, sentence_pieces
from nodes.diffusion.language.writing import Asked, Writer
from nodes.diffusion.text.prompt import parse
from nodes.values import Clip, Cond

START, END, PAD = 2, 1, 0
MARKS = (("<end_of_turn>", 107),)
_LAYERS = Layers(-2)


def encode(models: ModelStore, clip: Clip, text: str | Mapping[str, str], embeddings: Sequence[Path] = ()) -> Cond:
    """``context``: float32[1, tokens, width]. A token of weight w goes w times as far from what padding has there."""
    with torch.no_grad(), models.lease(clip.weights[0], clip.patches_of(0)) as module:
        given: Any = module
        ids, weights = _weighted(one_prompt(text), sentence_pieces(tokenizer_of(given), MARKS))
        found = run(given, ids, _LAYERS, ROTATION, PAD, clip.last_layer)
        context = found.context
        if bool((weights != 1).any()):
            empty = run(given, [START, *[PAD] * (len(ids) - 1)], _LAYERS, ROTATION, PAD, clip.last_layer).context
            context = torch.where(weights == 1, context, torch.lerp(empty, context, weights))
    return Cond(context, extra={"attention_mask": found.mask})


def writer(texts: str) -> Writer:
    """Gemma 2, which continues the prompt without a template."""
    return Writer("gemma2", ROTATION, frozenset({END}), _asked, _spelled)


def _asked(module: Any, asked: Asked) -> list[Piece]:
    return list(_weighted(asked.prompt, sentence_pieces(tokenizer_of(module), MARKS))[0])


def _spelled(module: Any, ids: list[int]) -> str:
    return sentence_pieces(tokenizer_of(module), MARKS).text_of(ids)


def _weighted(prompt: str, pieces: SentencePieces) -> tuple[list[int], Tensor]:
    """The tokens with the start before them, and how much each counts: float32[1, tokens, 1]."""
    ids, weights = [START], [1.0]
    for segment in parse(prompt):
        tokens = pieces.token_ids(segment.text)
        if pieces.has_marks(segment.text):
            # ComfyUI takes the first token for the start here, although there is none.
            tokens = tokens[1:]
        ids += tokens
        weights += [segment.weight] * len(tokens)
    return ids, torch.tensor(weights)[None, :, None]
