"""CLIP's byte-pair encoding: text to token ids (Radford et al. 2021, arXiv:2103.00020)."""

from __future__ import annotations

import gzip
from functools import cache
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import BPE

START, END = 49406, 49407
MERGES = Path(__file__).parent / "assets" / "clip_merges.txt.gz"

_START_TEXT, _END_TEXT = "<|startoftext|>", "<|endoftext|>"
_WORDS = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def token_ids(text: str) -> list[int]:
    """CLIP's ids of ``text``, without start and end. Any text has ids: what is no word is spelled in bytes.

    Case, runs of white space and the composition of accents do not count. ``<|startoftext|>`` and ``<|endoftext|>``
    in the text are those tokens.
    """
    ids: list[int] = _tokenizer().encode(readable(text), add_special_tokens=False).ids
    return ids


@cache
def vocabulary() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Token ids by token, and the merges that make tokens, in order of precedence."""
    lines = gzip.decompress(MERGES.read_bytes()).decode().splitlines()[1:]
    merges = [(left, right) for left, right in map(str.split, lines)]
    letters = byte_letters()
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), *(left + right for left, right in merges)]
    tokens += [_START_TEXT, _END_TEXT]
    return {token: number for number, token in enumerate(tokens)}, merges


def byte_letters() -> list[str]:
    """The letters that stand for bytes: printable ones for themselves, first, then stand-ins for all others."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return [chr(byte) for byte in printable] + [chr(256 + number) for number in range(256 - len(printable))]


@cache
def _tokenizer() -> Tokenizer:
    vocab, merges = vocabulary()
    model = BPE(
        vocab=vocab, merges=merges, continuing_subword_prefix="", end_of_word_suffix="</w>", unk_token=_END_TEXT
    )
    tokenizer = Tokenizer(model)
    tokenizer.add_special_tokens(
        [AddedToken(text, normalized=False, special=True) for text in (_START_TEXT, _END_TEXT)]
    )
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    words = pre_tokenizers.Split(Regex(_WORDS), behavior="removed", invert=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([words, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    return tokenizer


def readable(text: str) -> str:
    """``text`` without lone surrogates, which JSON can spell but UTF-8 cannot."""
    return text.encode("utf-8", errors="replace").decode()
