"""What CLIP encoders make of prompts, for the families that read them: tokens of each encoder, layers, summaries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from engine.model_store import ModelStore
from nodes.diffusion.text.chunks import CHUNK_TOKENS, Chunk, Vocabulary, tokenize
from nodes.diffusion.text.encoder import EncoderReading, encode_chunks
from nodes.diffusion.text.tokenizer import END
from nodes.values import Clip

Prompts = str | Mapping[str, str]
"""One prompt for all encoders, or one for each by the name of its kind; none for a kind is no tokens at all."""


def prompt_for(text: Prompts, kind: str) -> str | None:
    """The prompt for the encoder ``kind``, if there is one."""
    return text if isinstance(text, str) else text.get(kind)


@dataclass(frozen=True, slots=True)
class _Convention:
    """What an encoder was trained to see after the end, and its name in files that hold embeddings for several."""

    pad: int
    part: str


_CONVENTIONS: Mapping[str, _Convention] = {
    "clip_l": _Convention(END, "clip_l"),
    "clip_h": _Convention(0, "clip_l"),
    "clip_g": _Convention(0, "clip_g"),
}


def tokenized(
    models: ModelStore, clip: Clip, text: Prompts, embeddings: Sequence[Path] = ()
) -> dict[str, tuple[Chunk, ...]]:
    """The chunks of each CLIP encoder, by its kind; the shorter of several prompts is filled up with empty chunks.

    ``embeddings``: folders to find embeddings in.
    """
    vocabularies = {kind: _vocabulary(models, clip, kind, embeddings) for kind in clip.kinds if kind in _CONVENTIONS}
    if isinstance(text, str):
        return {kind: tokenize(text, vocabulary) for kind, vocabulary in vocabularies.items()}
    # A prompt for an encoder that this CLIP lacks still counts for the length, so that both halves of a base and
    # refiner pair get equally many chunks.
    known = {kind: vocabularies.get(kind) or _convention(kind, embeddings) for kind in text if kind in _CONVENTIONS}
    chunks = {kind: tokenize(text[kind], vocabulary) for kind, vocabulary in known.items()}
    count = max(map(len, chunks.values()), default=0)
    return {kind: own + tokenize("", known[kind]) * (count - len(own)) for kind, own in chunks.items()}


def encode_clip(
    models: ModelStore, clip: Clip, kind: str, chunks: Sequence[Chunk], reading: EncoderReading
) -> tuple[Tensor, Tensor]:
    """What the encoder ``kind`` of ``clip`` makes of ``chunks``: float32[1, tokens, width] and float32[1, width].

    ``reading``: how the family reads it, unless ``clip`` says another layer.
    """
    index = clip.kinds.index(kind)
    if clip.last_layer is not None:
        reading = replace(reading, layer=clip.last_layer)
    with models.lease(clip.weights[index], clip.patches_of(index)) as module:
        return encode_chunks(module, chunks, _vocabulary(models, clip, kind, ()), reading)


def side_by_side(contexts: Sequence[Tensor]) -> Tensor:
    """Contexts [1, tokens, width] joined along their width, of as many tokens as all have."""
    tokens = min(context.shape[1] for context in contexts)
    return torch.cat([context[:, :tokens] for context in contexts], dim=-1)


def _vocabulary(models: ModelStore, clip: Clip, kind: str, embeddings: Sequence[Path]) -> Vocabulary:
    shapes = models.shapes(clip.weights[clip.kinds.index(kind)])
    width = shapes["text_model.embeddings.token_embedding.weight"][1]
    length = shapes["text_model.embeddings.position_embedding.weight"][0]
    return _convention(kind, embeddings, width, length)


def _convention(kind: str, embeddings: Sequence[Path], width: int = 0, length: int = CHUNK_TOKENS) -> Vocabulary:
    convention = _CONVENTIONS[kind]
    return Vocabulary(convention.pad, convention.part, width, length, embeddings)
