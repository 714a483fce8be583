"""Runs one CLIP text encoder over a prompt's chunks and applies the weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nodes.diffusion.text.chunks import Chunk, Vocabulary, tokenize
from nodes.diffusion.text.rows import embedded, fitting, weighted, widened
from nodes.diffusion.text.tokenizer import END


@dataclass(frozen=True, slots=True)
class EncoderReading:
    """What a family takes from a text encoder.

    ``layer``: the hidden layer for the context, -1 = the output of the last one, None = the last with its norm.
    ``norm``: whether the final norm is put on a hidden layer too; ``projected``: whether pooled is projected.
    """

    layer: int | None
    norm: bool
    projected: bool


def encode_chunks(
    module: Any, chunks: Sequence[Chunk], vocabulary: Vocabulary, reading: EncoderReading
) -> tuple[Tensor, Tensor]:
    """Context float32[1, tokens of all chunks, width] and pooled float32[1, width], on the CPU.

    ``module``: a transformers ``CLIPTextModelWithProjection`` in any number format and on any device; it is computed
    in float32. A token of weight w goes w times as far from what the empty prompt has in its place. Pooled is the
    first chunk's, which weights do not change.
    """
    weights = torch.tensor([chunk.weights for chunk in chunks])
    is_weighted = bool((weights != 1).any())
    rows = [*chunks, *tokenize("", vocabulary)] if is_weighted else chunks
    with torch.no_grad():
        hidden, pooled = _run(module, [_row(module, row.tokens, vocabulary) for row in rows], reading)
    if is_weighted:
        hidden = weighted(hidden[:-1], hidden[-1:], weights)
    return hidden.reshape(1, -1, hidden.shape[-1]).cpu(), pooled.cpu()


@dataclass(frozen=True, slots=True)
class _Row:
    """Vectors float32[tokens, width], and where the first end token is among them."""

    vectors: Tensor
    end: int


def _row(module: Any, tokens: Sequence[int | Tensor], vocabulary: Vocabulary) -> _Row:
    table = module.text_model.embeddings.token_embedding.weight
    kept = fitting(tokens, table.shape[1], vocabulary.pad)
    end = next(place for place, token in enumerate(kept) if isinstance(token, int) and token == END)
    return _Row(embedded(table, kept), end)


def _run(module: Any, rows: Sequence[_Row], reading: EncoderReading) -> tuple[Tensor, Tensor]:
    """The wanted hidden layer of all rows, [rows, tokens, width], and the first row's pooled vector, [1, width]."""
    text = module.text_model
    layers = text.encoder.layers
    stop = _layer_index(reading.layer, len(layers))
    vectors = torch.stack([row.vectors for row in rows])
    hidden = vectors + text.embeddings.position_embedding.weight[: vectors.shape[1]].float()
    wanted = hidden
    causal = torch.full([vectors.shape[1]] * 2, torch.finfo(torch.float32).min, device=hidden.device).triu(1)
    for index, layer in enumerate(layers):
        hidden = widened(layer, hidden, attention_mask=causal[None, None])
        if index == stop:
            wanted = hidden
    last = widened(text.final_layer_norm, hidden)
    if stop is None:
        wanted = last
    elif reading.norm:
        wanted = widened(text.final_layer_norm, wanted)
    pooled = last[range(len(rows)), [row.end for row in rows]]
    return wanted, (widened(module.text_projection, pooled) if reading.projected else pooled)[:1]


def _layer_index(layer: int | None, count: int) -> int | None:
    """Which of ``count`` layers ``layer`` (negative, from the end) means; None = the last, with its norm."""
    # Files of OpenCLIP ViT-H in Hugging Face's layout often lack the last of its 24 layers, which SD2.x does not read.
    depth = 24 if count == 23 else count
    if layer is None or abs(layer) > depth:
        return None
    return min(layer % depth, count - 1)
