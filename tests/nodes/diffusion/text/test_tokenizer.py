"""CLIP's token ids, compared with transformers' tokenizer over the same vocabulary."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import CLIPTokenizer

from nodes.diffusion.text.tokenizer import END, START, token_ids, vocabulary


@pytest.fixture(scope="module")
def oracle() -> CLIPTokenizer:
    vocab, merges = vocabulary()
    return CLIPTokenizer(vocab=vocab, merges=merges)


def test_vocabulary_is_clips() -> None:
    vocab, merges = vocabulary()
    assert (len(vocab), len(merges)) == (49408, 48894)
    assert sorted(vocab.values()) == list(range(49408))
    assert (vocab["<|startoftext|>"], vocab["<|endoftext|>"]) == (START, END)
    # Rows that are widely known: padding with 0 is "!", and "a photo of a cat" is CLIP's own example.
    assert vocab["!"] == 0
    assert token_ids("a photo of a cat") == [320, 1125, 539, 320, 2368]


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("", []),
        (" \t\n\r\u3000 ", []),
        ("A  Photo\n\tof A\u00a0CAT ", [320, 1125, 539, 320, 2368]),
        ("cafe\u0301", [15304]),
        ("caf\u00e9", [15304]),
        ("日本語", [39121, 44353, 34002, 508]),
        ("🦊", [6040, 488]),
        ("&amp;", [261, 6259, 282]),
        ("<|endoftext|> a <|startoftext|>", [END, 320, START]),
        ("2024", [273, 271, 273, 275]),
        ("don't", [847, 713]),
    ],
)
def test_known_ids(text: str, ids: list[int]) -> None:
    assert token_ids(text) == ids


def test_control_characters_and_lone_surrogates_are_spelled() -> None:
    assert token_ids("a\x00b\x07") != token_ids("ab")
    assert token_ids("\ud800") == token_ids("?")


words = st.sampled_from(
    ["a", "don't", "IT'S", "<|endoftext|>", "<|EndOfText|>", "日本", "é", "e\u0301", " ", "\n", "👩‍👩‍👧", "((", "&lt;"]
)


@given(st.one_of(st.text(max_size=40), st.lists(words, max_size=12).map("".join)))
def test_same_ids_as_transformers(oracle: CLIPTokenizer, text: str) -> None:
    assert token_ids(text) == oracle(text)["input_ids"][1:-1]
