"""Tokenizers of language models, against what their authors' give, and against byte-pair encoding by hand."""

from __future__ import annotations

import base64
import json
import random
from pathlib import Path

import pytest
from sentencepiece import SentencePieceProcessor, SentencePieceTrainer

from engine.errors import ModelUnreadable
from nodes.diffusion.language import qwen_tokenizer
from nodes.diffusion.language.sentence_pieces import sentence_pieces
from nodes.diffusion.language.tekken import tekken

# What Qwen's own tokenizer makes of these texts.
QWEN = {
    "": [],
    "a red fox": [64, 2518, 38835],
    "<|im_start|>user\nhi<|im_end|>\n": [151644, 872, 198, 6023, 151645, 198],
    "<think>\n\n</think>\n\n": [151667, 271, 151668, 271],
    "<|vision_start|><|image_pad|><|vision_end|>": [151652, 151655, 151653],
    "你好，世界": [108386, 3837, 99489],
}


@pytest.mark.parametrize("text", QWEN)
def test_qwen_tokens(text: str) -> None:
    assert qwen_tokenizer.token_ids(text) == QWEN[text]


def test_qwen_spells_any_text_and_reads_it_back() -> None:
    random.seed(0)
    letters = " \n\tabzABZ0189'.,()!?éñ漢字🦊\u00a0\u200b<|>"
    for _ in range(200):
        text = "".join(random.choices(letters, k=random.randint(0, 40)))
        assert qwen_tokenizer.text_of(qwen_tokenizer.token_ids(text)) == text
    assert qwen_tokenizer.token_ids("e\u0301") == qwen_tokenizer.token_ids("é")
    assert qwen_tokenizer.token_ids("\ud800") == qwen_tokenizer.token_ids("?")


def test_qwen_has_a_token_for_each_of_its_merges() -> None:
    vocabulary, merges = qwen_tokenizer.vocabulary()
    assert len(vocabulary) == qwen_tokenizer.PAD == 256 + len(merges)
    assert all(vocabulary[left + right] == 256 + number for number, (left, right) in enumerate(merges))


def _tekken(tokens: list[bytes]) -> bytes:
    marks = ["<unk>", "<s>", "[INST]", "[/INST]"]
    document = {
        "config": {"default_num_special_tokens": len(marks), "default_vocab_size": len(marks) + len(tokens)},
        "special_tokens": [{"rank": rank, "token_str": mark} for rank, mark in enumerate(marks)],
        "vocab": [
            {"rank": rank, "token_bytes": base64.b64encode(token).decode()}
            for rank, token in enumerate([*tokens, b"beyond the vocabulary"])
        ],
    }
    return json.dumps(document).encode()


def test_tekken_merges_the_pair_of_lowest_rank_first() -> None:
    tokens = [bytes([byte]) for byte in range(256)] + [b"bc", b"ab"]
    ids = tekken(_tekken(tokens)).token_ids
    first = 4
    assert ids("abc") == [first + 97, first + 256]
    assert ids("ab") == [first + 257]


def test_tekken_keeps_marks_and_spells_what_it_has_no_word_for() -> None:
    ids = tekken(_tekken([bytes([byte]) for byte in range(256)])).token_ids
    assert ids("[INST]é[/INST]") == [2, 4 + 0xC3, 4 + 0xA9, 3]
    assert ids("1234") == [4 + ord(digit) for digit in "1234"]


@pytest.mark.parametrize("document", [b"no JSON", b"[]", b"{}", b'{"config": {}, "special_tokens": [], "vocab": []}'])
def test_a_damaged_tekken_tokenizer_is_told(document: bytes) -> None:
    with pytest.raises(ModelUnreadable, match="tekken_model"):
        tekken(document)


@pytest.fixture(scope="module")
def pieces_model(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("pieces")
    text = folder / "text.txt"
    text.write_text("a red fox on a hill\nthe sea at night\na fox at night on the hill\n" * 20)
    SentencePieceTrainer.train(
        input=str(text), model_prefix=str(folder / "model"), vocab_size=60, model_type="bpe", minloglevel=2
    )
    return Path(folder / "model.model").read_bytes()


def test_sentence_pieces_are_sentencepieces_own_with_marks_between(pieces_model: bytes) -> None:
    ours = sentence_pieces(pieces_model, (("<end_of_turn>", 107),))
    theirs = SentencePieceProcessor(model_proto=pieces_model)
    assert ours.token_ids("a red fox") == theirs.encode("a red fox")
    assert ours.token_ids("a fox<end_of_turn>the sea") == [*theirs.encode("a fox"), 107, *theirs.encode("the sea")]
    assert ours.has_marks("x<end_of_turn>") and not ours.has_marks("x")
    assert ours.text_of([*theirs.encode("a fox"), 107]) == "a fox"


def test_a_damaged_sentence_piece_model_is_told() -> None:
    with pytest.raises(ModelUnreadable, match="spiece_model"):
        sentence_pieces(b"\x08not a model")
