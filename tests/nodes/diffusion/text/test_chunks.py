"""Prompts as rows of 77 tokens."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from nodes.diffusion.text.chunks import Chunk, Vocabulary, tokenize
from nodes.diffusion.text.tokenizer import END, START, token_ids

CAT = 2368
BIG_G = Vocabulary(pad=0, part="clip_g")


def ids(chunk: Chunk) -> list[int]:
    return [token for token in chunk.tokens if isinstance(token, int)]


def cats(count: int) -> str:
    return " ".join(["cat"] * count)


def test_empty_prompts_are_one_chunk() -> None:
    for text in ("", " ", "()", "( )"):
        (chunk,) = tokenize(text, Vocabulary())
        assert ids(chunk) == [START] + [END] * 76
        assert chunk.weights == (1.0,) * 77
    (chunk,) = tokenize("", BIG_G)
    assert ids(chunk) == [START, END] + [0] * 75


def test_weights_lie_on_the_words() -> None:
    (chunk,) = tokenize("cat (cat cat:1.5)", BIG_G)
    assert ids(chunk) == [START, CAT, CAT, CAT, END] + [0] * 72
    assert chunk.weights == (1.0, 1.0, 1.5, 1.5) + (1.0,) * 73


@pytest.mark.parametrize(("count", "chunks"), [(75, 1), (76, 2), (150, 2), (151, 3)])
def test_long_pieces_fill_chunks(count: int, chunks: int) -> None:
    found = tokenize(cats(count), BIG_G)
    assert len(found) == chunks
    assert sum(ids(chunk).count(CAT) for chunk in found) == count
    assert all(ids(chunk)[76] == END for chunk in found[:-1])


def test_short_pieces_are_not_cut() -> None:
    first, second = tokenize(f"{cats(70)} ({cats(7)}:1.2)", BIG_G)
    assert ids(first) == [START] + [CAT] * 70 + [END] + [0] * 5
    assert ids(second) == [START] + [CAT] * 7 + [END] + [0] * 68
    assert second.weights[1:9] == (1.2,) * 7 + (1.0,)


def test_pieces_of_eight_are_cut() -> None:
    first, second = tokenize(f"{cats(70)} ({cats(8)}:1.2)", BIG_G)
    assert ids(first) == [START] + [CAT] * 75 + [END]
    assert ids(second).count(CAT) == 3


@given(st.lists(st.tuples(st.integers(1, 90), st.sampled_from(["", ":0.5"])), max_size=5))
def test_nothing_is_lost(pieces: list[tuple[int, str]]) -> None:
    chunks = tokenize("".join(f"({cats(count)}{weight})" for count, weight in pieces), Vocabulary())
    for chunk in chunks:
        assert len(chunk.tokens) == len(chunk.weights) == 77
        assert chunk.tokens[0] == START
        assert END in ids(chunk)
    assert sum(ids(chunk).count(CAT) for chunk in chunks) == sum(count for count, _ in pieces)


@given(st.text(max_size=200))
def test_every_text_makes_full_chunks(text: str) -> None:
    assert {(len(chunk.tokens), len(chunk.weights)) for chunk in tokenize(text, Vocabulary(length=33))} == {(33, 33)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_file({"emb_params": torch.arange(6.0).reshape(2, 3)}, tmp_path / "neg.safetensors")
    return tmp_path


@pytest.mark.parametrize(
    ("prompt", "before", "weight", "after"),
    [
        ("embedding:neg", "", 1, ""),
        ("cat, embedding:neg.safetensors, end", "cat,", 1, ", end"),
        ("cat embedding:neg end of it", "cat", 1, "end of it"),
        ("(embedding:neg:1.4) cat", "", 1.4, "cat"),
        ("cat\nembedding:neg\ncat", "cat", 1, "cat"),
    ],
)
def test_embeddings_stand_in_place(folder: Path, prompt: str, before: str, weight: float, after: str) -> None:
    (chunk,) = tokenize(prompt, Vocabulary(pad=0, width=3, folders=[folder]))
    at = 1 + len(token_ids(before))
    first, second = chunk.tokens[at : at + 2]
    assert isinstance(first, torch.Tensor)
    assert isinstance(second, torch.Tensor)
    assert torch.equal(torch.stack([first, second]), torch.arange(6.0).reshape(2, 3))
    assert chunk.weights[at : at + 2] == (weight, weight)
    assert ids(chunk)[:at] == [START, *token_ids(before)]
    assert list(chunk.tokens[at + 2 :][: len(token_ids(after)) + 1]) == [*token_ids(after), END]


def test_missing_embeddings_are_left_out(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        (chunk,) = tokenize("cat embedding:other, cat", Vocabulary(folders=[folder]))
    assert "no embedding 'other'" in caplog.text
    assert ids(chunk)[:5] == [START, CAT, *token_ids(", cat"), END]


def test_an_embedding_without_a_name_is_left_out(folder: Path) -> None:
    (chunk,) = tokenize("embedding:", Vocabulary(folders=[folder]))
    assert ids(chunk) == [START] + [END] * 76
