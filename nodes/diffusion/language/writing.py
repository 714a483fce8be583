"""Texts by the language model that a CLIP holds: what it is shown, and what it writes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.errors import InputInvalid
from engine.model_store import ModelStore
from nodes.diffusion.language.decoder import Rotation
from nodes.diffusion.language.generation import generate
from nodes.diffusion.language.pieces import EmbeddingFiles, Piece
from nodes.diffusion.language.token_choice import TokenSampling
from nodes.values import Clip


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """``prompt`` and ``pictures`` (float32[height, width, 3], 0..1 each), and where embeddings are looked for."""

    prompt: str
    pictures: Sequence[Tensor] = ()
    embeddings: Sequence[Path] = ()


@dataclass(frozen=True, slots=True)
class Writer:
    """How a family's text encoder of one ``kind`` writes.

    ``pieces``: what a lent model reads of what is asked; ``text_of``: the text that its tokens spell. It ends with one
    of ``stops``. ``sees``: whether it is shown pictures.
    """

    kind: str
    rotation: Rotation
    stops: frozenset[int]
    pieces: Callable[[Any, Asked], list[Piece]]
    text_of: Callable[[Any, list[int]], str]
    sees: bool = False


def writer_of(clip: Clip) -> Writer:
    """How ``clip`` writes. Raises ``InputInvalid`` where it holds no language model that does."""
    find: Callable[[str], Writer | None] | None = getattr(clip.family.text, "writer", None)
    writer = None if find is None else find(clip.texts)
    if writer is None:
        raise InputInvalid(
            f"the text encoder of {clip.family.title} writes no text",
            input="clip",
            remedy="load one that does with CLIPLoader: Qwen3, Qwen2.5-VL or Gemma 2",
        )
    return writer


def write(
    models: ModelStore,
    clip: Clip,
    asked: Asked,
    most: int,
    drawing: TokenSampling | None,
    progress: Callable[[int, int], None],
) -> str:
    """The text of at most ``most`` tokens; see :func:`~nodes.diffusion.language.generation.generate`."""
    writer = writer_of(clip)
    index = clip.index(writer.kind)
    assert index is not None, f"a CLIP of {clip.family.title} has no {writer.kind}"
    with torch.no_grad(), models.lease(clip.weights[index], clip.patches_of(index)) as module:
        pieces = writer.pieces(module, asked)
        tokens = generate(module, pieces, writer.rotation, writer.stops, most, drawing, progress)
        return writer.text_of(module, tokens)


def files_for(module: Any, part: str, asked: Asked) -> EmbeddingFiles:
    """Where embeddings for a lent model are looked for; ``part``: its name in files for several encoders."""
    return EmbeddingFiles(asked.embeddings, part, module.model.embed_tokens.weight.shape[1])
