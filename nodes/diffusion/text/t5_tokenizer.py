"""T5's tokens: a unigram model over 32,000 pieces of words, offline and without its tokenizer's own files."""

from __future__ import annotations

import gzip
from functools import cache
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import Unigram

from nodes.diffusion.text.tokenizer import readable

PAD, END, UNKNOWN = 0, 1, 2
SENTINELS = 100

_ASSETS = Path(__file__).parent / "assets"
PIECES = _ASSETS / "t5_pieces.txt.gz"
CHARACTERS = _ASSETS / "t5_characters.bin.gz"


def t5_token_ids(text: str) -> list[int]:
    """T5's ids of ``text``, without the end. Any text has ids; what no piece spells is one unknown token.

    White space of any kind and length parts words and is nothing else. ``<pad>``, ``</s>``, ``<unk>`` and
    ``<extra_id_0>`` to ``<extra_id_99>`` in the text are those tokens.
    """
    ids: list[int] = _tokenizer().encode(readable(text), add_special_tokens=False).ids
    return ids


@cache
def _tokenizer() -> Tokenizer:
    lines = gzip.decompress(PIECES.read_bytes()).decode().splitlines()
    pieces = [(piece, float(score)) for piece, score in (line.rsplit(" ", 1) for line in lines)]
    sentinels = [f"<extra_id_{number}>" for number in reversed(range(SENTINELS))]
    tokenizer = Tokenizer(Unigram([*pieces, *((name, 0.0) for name in sentinels)], unk_id=UNKNOWN, byte_fallback=False))
    special = [*(piece for piece, _ in pieces[: UNKNOWN + 1]), *sentinels]
    tokenizer.add_special_tokens([AddedToken(text, normalized=False, special=True) for text in special])
    tokenizer.normalizer = normalizers.Precompiled(gzip.decompress(CHARACTERS.read_bytes()))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")]
    )
    return tokenizer
