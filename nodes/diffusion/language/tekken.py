"""Mistral's byte-pair encoding, which a model's file carries as the JSON of a Tekken tokenizer."""

from __future__ import annotations

import base64
import json
from functools import lru_cache
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, pre_tokenizers
from tokenizers.models import BPE

from engine.errors import ModelUnreadable
from nodes.diffusion.text.tokenizer import byte_letters, readable

TENSOR = "tekken_model"
MOST_KEPT = 2

# What ComfyUI splits texts by. The file has a pattern of its own, which ComfyUI does not look at.
_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
    r"\s+(?!\S)|\s+"
)


class Tekken:
    """The tokenizer that ``document`` describes."""

    def __init__(self, document: bytes) -> None:
        try:
            self._tokenizer = _tokenizer(json.loads(document))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelUnreadable(
                f"the tokenizer in tensor '{TENSOR}' is no Tekken tokenizer",
                remedy="take a complete file of this text encoder",
            ) from error

    def token_ids(self, text: str) -> list[int]:
        """The ids of ``text``, without start and end. Marks such as ``[INST]`` in the text are those tokens."""
        ids: list[int] = self._tokenizer.encode(readable(text), add_special_tokens=False).ids
        return ids


@lru_cache(MOST_KEPT)
def tekken(document: bytes) -> Tekken:
    """The tokenizer that ``document`` describes, made once."""
    return Tekken(document)


def _tokenizer(document: dict[str, Any]) -> Tokenizer:
    marks = {entry["token_str"]: int(entry["rank"]) for entry in document["special_tokens"]}
    first = int(document["config"]["default_num_special_tokens"])
    size = int(document["config"]["default_vocab_size"]) - first
    ranks = {
        base64.b64decode(entry["token_bytes"]): int(entry["rank"]) + first
        for entry in document["vocab"]
        if int(entry["rank"]) < size
    }
    spelled = {token: _spelled(token) for token in ranks}
    vocab = marks | {spelled[token]: rank for token, rank in ranks.items()}
    tokenizer = Tokenizer(BPE(vocab=vocab, merges=[(spelled[a], spelled[b]) for a, b in _merges(ranks)]))
    words = pre_tokenizers.Split(Regex(_WORDS), behavior="isolated")
    letters = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([words, letters])
    tokenizer.add_special_tokens([AddedToken(mark, normalized=False, special=True) for mark in marks])
    return tokenizer


def _merges(ranks: dict[bytes, int]) -> list[tuple[bytes, bytes]]:
    """Every way to make a token of two others; that of the lowest token comes first."""
    found = []
    for token, rank in ranks.items():
        halves = ((token[:cut], token[cut:]) for cut in range(1, len(token)))
        pairs = [(rank, ranks[a], ranks[b], a, b) for a, b in halves if a in ranks and b in ranks]
        found += pairs
    return [(a, b) for *_, a, b in sorted(found)]


def _spelled(token: bytes) -> str:
    return "".join(_LETTERS[byte] for byte in token)


def _letter_of_each_byte() -> list[str]:
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in set(printable)]
    letters = byte_letters()
    return [letters[place] for _, place in sorted((byte, place) for place, byte in enumerate(printable + others))]


_LETTERS = _letter_of_each_byte()
