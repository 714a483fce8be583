"""Prompts as the rows that a CLIP text encoder reads: tokens with weights, cut to its length."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from nodes.diffusion.text.embeddings import find_embedding, read_embedding
from nodes.diffusion.text.lengths import Length
from nodes.diffusion.text.prompt import EMBEDDING, parse
from nodes.diffusion.text.tokenizer import END, START, token_ids

log = logging.getLogger(__name__)

CHUNK_TOKENS = 77
# Groups of at least this many tokens are cut where a chunk is full; shorter ones move to the next as a whole.
LONG_GROUP = 8

# A token's id, or the vector [width] that an embedding puts in its place.
Token = int | Tensor


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """How one text encoder wants its prompts.

    ``pad``: the id after the end; ``part``: its name in files that hold embeddings for several encoders; ``width``:
    of its vectors; ``length``: tokens a chunk, start and end included; ``folders``: where embeddings are.
    """

    pad: int = END
    part: str = "clip_l"
    width: int = 0
    length: int = CHUNK_TOKENS
    folders: Sequence[Path] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """One row for the encoder: a start, tokens, an end and padding, and what each counts."""

    tokens: tuple[Token, ...]
    weights: tuple[float, ...]


def tokenize(prompt: str, vocabulary: Vocabulary) -> tuple[Chunk, ...]:
    """The prompt's chunks, at least one, each ``vocabulary.length`` long."""
    return _chunks(groups(prompt, vocabulary), vocabulary)


Group = list[tuple[Token, float]]


def groups(prompt: str, vocabulary: Vocabulary, ids: Callable[[str], list[int]] = token_ids) -> Iterable[Group]:
    """What belongs together: the tokens of one piece of the prompt, or the vectors of one embedding.

    ``ids``: the tokenizer, of text without weights.
    """
    for segment in parse(prompt):
        text = segment.text
        if text.startswith(EMBEDDING):
            word = find_embedding(text, vocabulary.folders)
            if word.file is None:
                log.warning("there is no embedding '%s': it is left out of the prompt", word.name)
            else:
                vectors = read_embedding(word.file, vocabulary.part, vocabulary.width)
                yield [(vector, segment.weight) for vector in (() if vectors is None else vectors)]
            text = word.rest
        yield [(token, segment.weight) for token in ids(text)]


def _chunks(parts: Iterable[Group], vocabulary: Vocabulary) -> tuple[Chunk, ...]:
    capacity = vocabulary.length - 2
    rows: list[Group] = [[]]
    for group in parts:
        rest, is_long = group, len(group) >= LONG_GROUP
        while len(rest) > (room := capacity - len(rows[-1])):
            if is_long:
                rows[-1] += rest[:room]
                rest = rest[room:]
            rows.append([])
        rows[-1] += rest
    return tuple(_framed(row, vocabulary) for row in rows)


def _framed(row: Group, vocabulary: Vocabulary) -> Chunk:
    padding = vocabulary.length - 2 - len(row)
    tokens = (START, *(token for token, _ in row), END, *[vocabulary.pad] * padding)
    return Chunk(tokens, (1.0, *(weight for _, weight in row), *[1.0] * (padding + 1)))


def filled(tokens: Iterable[tuple[Token, float]], length: Length, end: int, pad: int) -> Chunk:
    """One row of them all, each with its weight, then ``end`` and as much of ``pad`` as ``length`` asks for."""
    row = [*tokens, (end, 1.0)]
    row += [(pad, 1.0)] * max(length.padding, length.minimum - len(row))
    return Chunk(tuple(token for token, _ in row), tuple(weight for _, weight in row))
