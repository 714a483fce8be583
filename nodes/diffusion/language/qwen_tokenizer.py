"""Qwen's byte-pair encoding, of Qwen2.5 and Qwen3: text to token ids (arXiv:2412.15115, arXiv:2505.09388)."""

from __future__ import annotations

import lzma
from functools import cache
from pathlib import Path

import numpy as np
from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers
from tokenizers.models import BPE

from nodes.diffusion.text.tokenizer import byte_letters, readable

PAD = 151643
IM_START = 151644
IM_END = 151645
IMAGE_PAD = 151655
STOPS = frozenset({PAD, IM_END})  # what ends a text that the models write
MERGES = Path(__file__).parent / "assets" / "qwen_merges.xz"

# The tokens that stand for no text, from PAD on; the last ones (from <tool_call>) are text to a reader all the same.
_MARKS = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>",
    "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>",
    "<|image_pad|>", "<|video_pad|>", "<tool_call>", "</tool_call>", "<|fim_prefix|>", "<|fim_middle|>",
    "<|fim_suffix|>", "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>", "<tool_response>", "</tool_response>",
    "<think>", "</think>",
)  # fmt: skip
_FIRST_READABLE_MARK = _MARKS.index("<tool_call>")
_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def token_ids(text: str) -> list[int]:
    """Qwen's ids of ``text``. Marks such as ``<|im_start|>`` in the text are those tokens."""
    ids: list[int] = _tokenizer().encode(readable(text), add_special_tokens=False).ids
    return ids


def text_of(ids: list[int]) -> str:
    """The text that tokens spell, without marks that stand for none."""
    text: str = _tokenizer().decode(ids, skip_special_tokens=True)
    return text


def spelled(module: object, ids: list[int]) -> str:
    """:func:`text_of` for models that write: their files carry no tokenizer."""
    return text_of(ids)


@cache
def vocabulary() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Token ids by token, in stand-ins for bytes, and the merges that make them, in order of precedence."""
    tokens = byte_letters()
    merges = []
    for left, right in _pairs():
        pair = (tokens[left], tokens[right])
        merges.append(pair)
        tokens.append("".join(pair))
    return {token: number for number, token in enumerate(tokens)}, merges


def _pairs() -> list[tuple[int, int]]:
    """Which two tokens each one after the bytes is made of; in the file, the bytes of all numbers are side by side."""
    planes = np.frombuffer(lzma.decompress(MERGES.read_bytes()), np.uint8).reshape(2, 3, -1).astype(np.uint32)
    left, right = (low | middle << 8 | high << 16 for low, middle, high in planes)
    return list(zip(left.tolist(), right.tolist(), strict=True))


@cache
def _tokenizer() -> Tokenizer:
    vocab, merges = vocabulary()
    tokenizer = Tokenizer(BPE(vocab=vocab, merges=merges))
    tokenizer.normalizer = normalizers.NFC()
    words = pre_tokenizers.Split(Regex(_WORDS), behavior="isolated")
    letters = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([words, letters])
    tokenizer.decoder = decoders.ByteLevel()
    marks = [
        AddedToken(mark, normalized=False, special=place < _FIRST_READABLE_MARK) for place, mark in enumerate(_MARKS)
    ]
    tokenizer.add_tokens(marks)
    return tokenizer
