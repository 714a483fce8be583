"""Prompts to conditionings by a language model: which layers are read, and what the conditioning says of padding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.errors import InputInvalid
from engine.model_store import ModelStore
from nodes.diffusion.language.decoder import Rotation, hidden_states
from nodes.diffusion.language.pieces import EmbeddingFiles, Piece, embed
from nodes.values import Clip

TABLE = "model.embed_tokens.weight"


@dataclass(frozen=True, slots=True)
class Layers:
    """What of a language model is the conditioning.

    ``last``: the hidden layer, -1 = the output of the last one, None = that with the final norm; a node may choose
    another one. ``side_by_side``: inputs of these layers instead, along the width, which no node changes.
    """

    last: int | None = None
    side_by_side: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class EncodedText:
    """``context``: float32[1, tokens, width]; ``mask``: int64[1, tokens], 0 from the first token of padding on."""

    context: Tensor
    mask: Tensor


def one_prompt(text: str | Mapping[str, str]) -> str:
    """The prompt of an encoder that reads one. Raises ``InputInvalid`` where there are several."""
    if isinstance(text, str):
        return text
    raise InputInvalid(
        "this CLIP reads one prompt, and was given several",
        input="clip",
        remedy="use CLIPTextEncode, or the CLIP of the family that this node is for",
    )


def embedding_files(models: ModelStore, clip: Clip, kind: str, part: str, folders: Sequence[Path]) -> EmbeddingFiles:
    """Where embeddings for the encoder ``kind`` are looked for; ``part``: its name in files for several encoders."""
    width = models.shapes(clip.weights[_index(clip, kind)])[TABLE][1]
    return EmbeddingFiles(folders, part, width)


def read(
    models: ModelStore, clip: Clip, kind: str, pieces: Sequence[Piece], layers: Layers, rotation: Rotation, pad: int
) -> EncodedText:
    """The conditioning of ``pieces``, on the CPU."""
    index = _index(clip, kind)
    with torch.no_grad(), models.lease(clip.weights[index], clip.patches_of(index)) as module:
        return run(module, pieces, layers, rotation, pad, clip.last_layer)


def run(
    module: Any, pieces: Sequence[Piece], layers: Layers, rotation: Rotation, pad: int, chosen: int | None = None
) -> EncodedText:
    """The conditioning of ``pieces`` by a lent model; ``chosen``: the layer that a node asks for."""
    model, embedded = module.model, embed(module, pieces, pad)
    count = len(model.layers)
    last = layers.last if chosen is None else chosen
    # A layer that is not there means the last one, with its norm.
    last = None if last is None or abs(last) > count else last
    wanted = layers.side_by_side or (count if last is None else count + last + 1 if last < 0 else last + 1,)
    states = hidden_states(model, embedded.vectors, wanted, rotation, embedded.positions, embedded.mask)
    if last is None and not layers.side_by_side:
        states = [model.norm(states[0])]
    return EncodedText(torch.cat(states, dim=-1).float().cpu(), embedded.mask.long().cpu())


def _index(clip: Clip, kind: str) -> int:
    index = clip.index(kind)
    assert index is not None, f"a CLIP of {clip.family.title} has no {kind}"
    return index
