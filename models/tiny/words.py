"""Captions as token ids: whole words of CLIP's vocabulary, and one shared row for every word that is not taught."""

import numpy as np
import torch
from torch import Tensor

from models.tiny.parts import CONTEXT_LENGTH
from models.tiny.scenes import COLOURS, NUMBERS, SHAPES
from nodes.diffusion.text import tokenizer

GRAMMAR = "a an on of to the left right above below picture background small large ,"
PLURALS = [f"{shape}{'es' if shape == 'cross' else 's'}" for shape in SHAPES]
SPLIT = {"cyan": ("cy", "an</w>"), "triangles": ("tri", "angles</w>")}  # the only words that are two tokens
TAUGHT = (*GRAMMAR.split(), *COLOURS, *SHAPES, *PLURALS, *NUMBERS.values())
PIECES = tuple(dict.fromkeys(piece for word in TAUGHT for piece in SPLIT.get(word, (f"{word}</w>",))))
UNTAUGHT, START, END = len(PIECES), len(PIECES) + 1, len(PIECES) + 2
ROWS = len(PIECES) + 3


def clip_ids() -> list[int]:
    """CLIP's token id of every row (-1 for the untaught one). Raises ValueError if a piece is no token."""
    index, _ = tokenizer.vocabulary()
    missing = [piece for piece in PIECES if piece not in index]
    if missing:
        raise ValueError(f"no tokens of CLIP: {missing}")
    return [*(index[piece] for piece in PIECES), -1, tokenizer.START, tokenizer.END]


def rows(captions: list[str]) -> Tensor:
    """Rows of the small training table, long[B, 77]: start, words, and ends up to the full length, as SD1.x pads."""
    table = {piece: number for number, piece in enumerate(PIECES)}
    found = torch.full((len(captions), CONTEXT_LENGTH), END, dtype=torch.long)
    found[:, 0] = START
    for line, text in enumerate(captions):
        words = text.lower().replace(",", " , ").split()
        pieces = [piece for word in words for piece in SPLIT.get(word, (f"{word}</w>",))][: CONTEXT_LENGTH - 2]
        found[line, 1 : 1 + len(pieces)] = torch.tensor([table.get(p, UNTAUGHT) for p in pieces], dtype=torch.long)
    return found


def disturb(text: str, rng: np.random.Generator) -> str:
    """The caption with up to four words nobody taught in front or behind, so that such words come to mean nothing."""
    extra = " ".join(["?"] * int(rng.integers(1, 5)))
    return f"{extra} {text}" if rng.random() < 0.5 else f"{text} , {extra}"
