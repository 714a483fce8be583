"""Tokenizers that a model's file carries as a SentencePiece model (Kudo and Richardson 2018, arXiv:1808.06226)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from sentencepiece import SentencePieceProcessor

from engine.errors import ModelUnreadable
from nodes.diffusion.text.tokenizer import readable

TENSOR = "spiece_model"
MOST_KEPT = 4  # tokenizers in memory: of encoders in use


class SentencePieces:
    """The tokenizer in ``model`` (a serialised SentencePiece model), with ``marks`` that it does not know of itself."""

    def __init__(self, model: bytes, marks: Mapping[str, int]) -> None:
        try:
            self._pieces = SentencePieceProcessor(model_proto=model)
        except (RuntimeError, TypeError) as error:
            raise ModelUnreadable(
                f"the tokenizer in tensor '{TENSOR}' is no SentencePiece model",
                remedy="take a complete file of this text encoder",
            ) from error
        self._marks = marks
        self._split = re.compile("(" + "|".join(map(re.escape, marks)) + ")") if marks else None

    def token_ids(self, text: str) -> list[int]:
        """The ids of ``text``, without start and end."""
        parts = self._split.split(readable(text)) if self._split is not None else [readable(text)]
        ids: list[int] = []
        for part in filter(None, parts):
            ids += [self._marks[part]] if part in self._marks else self._pieces.encode(part)
        return ids

    def has_marks(self, text: str) -> bool:
        """Whether a mark occurs in ``text``."""
        return self._split is not None and self._split.search(text) is not None

    def text_of(self, ids: list[int]) -> str:
        """The text that tokens spell; marks, and tokens that the vocabulary has no text for, spell none."""
        known, count = set(self._marks.values()), self._pieces.get_piece_size()
        return str(self._pieces.decode([token for token in ids if token not in known and token < count]))


@lru_cache(MOST_KEPT)
def sentence_pieces(model: bytes, marks: tuple[tuple[str, int], ...] = ()) -> SentencePieces:
    """The tokenizer in ``model``, made once."""
    return SentencePieces(model, dict(marks))
