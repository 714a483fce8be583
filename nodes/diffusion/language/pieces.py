"""Prompts as what a language model reads: tokens, vectors of embedding files and pictures, each as vectors."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nodes.diffusion.language.qwen_vision import see
from nodes.diffusion.text.embeddings import find_embedding, read_embedding
from nodes.diffusion.text.prompt import EMBEDDING

log = logging.getLogger(__name__)

_EMBEDDING_STARTS = re.compile(rf"(?<=\s)(?={EMBEDDING})")
_ESCAPED = re.compile(r"\\([()])")


@dataclass(frozen=True, slots=True, eq=False)
class PicturePiece:
    """A picture among the tokens: float32[height, width, 3], 0..1."""

    pixels: Tensor


# A token's id, the vector [width] that an embedding puts in its place, or a picture.
Piece = int | Tensor | PicturePiece


@dataclass(frozen=True, slots=True)
class EmbeddingFiles:
    """Where a prompt's ``embedding:name`` is looked for, and which vectors of a file that has several are meant."""

    folders: Sequence[Path]
    part: str
    width: int


def pieces_of(text: str, token_ids: Callable[[str], list[int]], files: EmbeddingFiles | None = None) -> list[Piece]:
    r"""The tokens of ``text``; without ``files``, names of embeddings are text too. ``\(`` is a parenthesis."""
    whole = _ESCAPED.sub(r"\1", text)
    if files is None:
        return list(token_ids(whole))
    found: list[Piece] = []
    for part in filter(None, _EMBEDDING_STARTS.split(whole)):
        rest = part
        if part.startswith(EMBEDDING):
            word = find_embedding(part, files.folders)
            rest = word.rest
            if word.file is None:
                log.warning("there is no embedding '%s': it is left out of the prompt", word.name)
            else:
                vectors = read_embedding(word.file, files.part, files.width)
                found += [] if vectors is None else list(vectors)
        found += token_ids(rest) if rest else []
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """Vectors float32[1, tokens, width], a mask bool[1, tokens] that ends before padding, and positions [3, tokens]."""

    vectors: Tensor
    mask: Tensor
    positions: Tensor


def embed(model: Any, pieces: Sequence[Piece], pad: int) -> Embedded:
    """The vectors of ``pieces``; from the first token ``pad`` on, all tokens are padding.

    A picture takes as many vectors as it has tokens; on the position axes it is a grid, and what follows it goes on
    after its longer side. Vectors of another width than the model's are left out, with a log line.
    """
    table, scale = model.model.embed_tokens.weight, model.model.scale
    parts, positions, seen = [], [], []
    start, padding = 0, False
    for piece in pieces:
        if isinstance(piece, PicturePiece):
            vectors, (rows, columns) = see(model.visual, piece.pixels)
            positions.append(_grid(rows, columns) + start)
            start += max(rows, columns)
        else:
            vectors = table[piece][None].float() * scale if isinstance(piece, int) else piece.to(table.device)[None]
            if vectors.shape[-1] != table.shape[-1]:
                log.warning("an embedding was made for another text encoder: left out of the prompt")
                continue
            padding = padding or (isinstance(piece, int) and piece == pad)
            positions.append(torch.full((3, 1), start))
            start += 1
        parts.append(vectors.float())
        seen += [not padding or isinstance(piece, PicturePiece)] * len(vectors)
    return Embedded(
        torch.cat(parts)[None],
        torch.tensor([seen], device=table.device),
        torch.cat(positions, dim=1).to(table.device),
    )


def _grid(rows: int, columns: int) -> Tensor:
    """Time, row and column of each of a picture's tokens: [3, tokens]."""
    y, x = torch.cartesian_prod(torch.arange(rows), torch.arange(columns)).T
    return torch.stack([torch.zeros_like(y), y, x])
