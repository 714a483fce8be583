"""Prompts of Flux.2: three layers side by side, of Qwen3 for klein and of Mistral Small for dev."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from diffusers.pipelines.flux2.system_messages import SYSTEM_MESSAGE

from engine.model_store import ModelStore
from nodes.diffusion.language import mistral, qwen3, qwen_tokenizer
from nodes.diffusion.language.decoder import tokenizer_of
from nodes.diffusion.language.encoding import Layers, embedding_files, one_prompt, read, run
from nodes.diffusion.language.pieces import EmbeddingFiles, Piece, pieces_of
from nodes.diffusion.language.tekken import tekken
from nodes.diffusion.language.writing import Asked, Writer, files_for
from nodes.diffusion.text.lengths import Length
from nodes.values import Clip, Cond

KLEIN_TEMPLATE = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
KLEIN_LAYERS = Layers(side_by_side=(9, 18, 27))
KLEIN_LENGTH = Length(512)
DEV_TEMPLATE = f"[SYSTEM_PROMPT]{SYSTEM_MESSAGE}[/SYSTEM_PROMPT][INST]{{}}[/INST]"
DEV_LAYERS = Layers(side_by_side=(10, 20, 30))
DEV_START, DEV_PAD = 1, 0
_KLEIN_PARTS = {2560: "qwen3_4b", 4096: "qwen3_8b"}  # by width


def encode(models: ModelStore, clip: Clip, text: str | Mapping[str, str], embeddings: Sequence[Path] = ()) -> Cond:
    """``context``: float32[1, tokens, 3 x width], at least 512 tokens for klein. Parentheses do not weigh anything."""
    prompt = one_prompt(text)
    return _klein(models, clip, prompt, embeddings) if clip.texts == "klein" else _dev(models, clip, prompt, embeddings)


def writer(texts: str) -> Writer | None:
    """Qwen3 of klein, which answers without thinking. The file of dev's Mistral ends before its last layer."""
    return (
        Writer("qwen3", qwen3.ROTATION, qwen_tokenizer.STOPS, _asked, qwen_tokenizer.spelled)
        if texts == "klein"
        else None
    )


def _asked(module: Any, asked: Asked) -> list[Piece]:
    files = _klein_files(files_for(module, "qwen3_4b", asked))
    return pieces_of(KLEIN_TEMPLATE.format(asked.prompt), qwen_tokenizer.token_ids, files)


def _klein_files(files: EmbeddingFiles) -> EmbeddingFiles:
    return replace(files, part=_KLEIN_PARTS.get(files.width, files.part))


def _klein(models: ModelStore, clip: Clip, prompt: str, embeddings: Sequence[Path]) -> Cond:
    files = _klein_files(embedding_files(models, clip, "qwen3", "qwen3_4b", embeddings))
    pieces = pieces_of(KLEIN_TEMPLATE.format(prompt), qwen_tokenizer.token_ids, files)
    length = KLEIN_LENGTH.given(clip.options)
    pieces += [qwen_tokenizer.PAD] * max(length.padding, length.minimum - len(pieces))
    found = read(models, clip, "qwen3", pieces, KLEIN_LAYERS, qwen3.ROTATION, qwen_tokenizer.PAD)
    return Cond(found.context, extra={"attention_mask": found.mask})


def _dev(models: ModelStore, clip: Clip, prompt: str, embeddings: Sequence[Path]) -> Cond:
    files = embedding_files(models, clip, "mistral", "mistral3_24b", embeddings)
    with torch.no_grad(), models.lease(clip.weights[0], clip.patches_of(0)) as module:
        given: Any = module
        tokens = pieces_of(DEV_TEMPLATE.format(prompt), tekken(tokenizer_of(given)).token_ids, files)
        found = run(given, [DEV_START, *tokens], DEV_LAYERS, mistral.ROTATION, DEV_PAD)
    return Cond(found.context, extra={"attention_mask": found.mask})
