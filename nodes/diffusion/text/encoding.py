"""Prompts to conditionings: which encoders a family has, how it reads them, and how their outputs are joined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from engine.errors import InputInvalid
from engine.model_store import ModelStore
from nodes.diffusion.text.chunks import CHUNK_TOKENS, Chunk, Vocabulary, tokenize
from nodes.diffusion.text.encoder import Reading, encode_chunks
from nodes.diffusion.text.tokenizer import END
from nodes.values import Clip


class Encoded(NamedTuple):
    """``context``: float32[1, tokens, width], a multiple of 77 tokens; ``pooled``: float32[1, width]. On the CPU."""

    context: Tensor
    pooled: Tensor


@dataclass(frozen=True, slots=True)
class _Convention:
    """What CLIP-L and the OpenCLIP encoders were trained to see after the end, and their names in embedding files."""

    pad: int
    part: str


_CONVENTIONS: Mapping[str, _Convention] = {
    "l": _Convention(END, "clip_l"),
    "h": _Convention(0, "clip_l"),
    "g": _Convention(0, "clip_g"),
}
_READINGS: Mapping[str, Reading] = {
    "sd15": Reading(None, norm=True, projected=False),
    "sd2": Reading(-2, norm=True, projected=True),
    "sdxl": Reading(-2, norm=False, projected=True),
    "sdxl_refiner": Reading(-2, norm=False, projected=True),
}


def encode(models: ModelStore, clip: Clip, text: str | Mapping[str, str], embeddings: Sequence[Path] = ()) -> Encoded:
    """Encode a prompt, any length, with all encoders of ``clip``; contexts are joined along their width.

    ``text``: one prompt, or SDXL's two, ``l`` and ``g``; the shorter of them is filled up with empty chunks.
    ``embeddings``: folders to find embeddings in. Pooled is the last encoder's. Raises ``InputInvalid`` for two
    prompts where ``clip`` has no bigG.
    """
    vocabularies: dict[str, Vocabulary] = {
        slot.kind: _vocabulary(models, clip, index, embeddings) for index, slot in enumerate(clip.family.text)
    }
    chunks = _tokenized(text, vocabularies, clip, embeddings)
    reading = _READINGS[clip.family.name]
    if clip.last_layer is not None:
        reading = Reading(clip.last_layer, reading.norm, reading.projected)
    contexts = []
    pooled = torch.empty(0)
    for index, (kind, vocabulary) in enumerate(vocabularies.items()):
        with models.lease(clip.weights[index], clip.patches_of(index)) as module:
            context, pooled = encode_chunks(module, chunks[kind], vocabulary, reading)
        contexts.append(context)
    tokens = min(context.shape[1] for context in contexts)
    return Encoded(torch.cat([context[:, :tokens] for context in contexts], dim=-1), pooled)


def _tokenized(
    text: str | Mapping[str, str], vocabularies: Mapping[str, Vocabulary], clip: Clip, embeddings: Sequence[Path]
) -> dict[str, tuple[Chunk, ...]]:
    if isinstance(text, str):
        return {kind: tokenize(text, vocabulary) for kind, vocabulary in vocabularies.items()}
    if "g" not in vocabularies:
        raise InputInvalid(
            f"there is a prompt for OpenCLIP bigG, which a CLIP of {clip.family.name} lacks",
            input="clip",
            remedy="use CLIPTextEncode, or the CLIP of an SDXL checkpoint",
        )
    # A prompt for an encoder that this CLIP lacks still counts for the length, so that both halves of a base and
    # refiner pair get equally many chunks.
    known = {kind: vocabularies.get(kind) or _convention(kind, embeddings) for kind in text}
    chunks = {kind: tokenize(text[kind], vocabulary) for kind, vocabulary in known.items()}
    count = max(map(len, chunks.values()))
    return {kind: own + tokenize("", known[kind]) * (count - len(own)) for kind, own in chunks.items()}


def _vocabulary(models: ModelStore, clip: Clip, index: int, embeddings: Sequence[Path]) -> Vocabulary:
    shapes = models.shapes(clip.weights[index])
    width = shapes["text_model.embeddings.token_embedding.weight"][1]
    length = shapes["text_model.embeddings.position_embedding.weight"][0]
    return _convention(clip.family.text[index].kind, embeddings, width, length)


def _convention(kind: str, embeddings: Sequence[Path], width: int = 0, length: int = CHUNK_TOKENS) -> Vocabulary:
    convention = _CONVENTIONS[kind]
    return Vocabulary(convention.pad, convention.part, width, length, embeddings)
