"""The prompt language."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InputInvalid
from nodes.diffusion.text.prompt import MAX_NESTING, parse


@pytest.mark.parametrize(
    ("prompt", "pieces"),
    [
        ("", []),
        ("a cat", [("a cat", 1)]),
        ("a (b:1.5) c", [("a ", 1), ("b", 1.5), (" c", 1)]),
        ("(fox)", [("fox", 1.1)]),
        ("((fox))", [("fox", 1.21)]),
        ("(a (b:1.2):0.8)", [("a ", 0.8), ("b", 1.2)]),
        ("(a (b) c:0.5)", [("a ", 0.5), ("b", 0.55), (" c", 0.5)]),
        ("[dim] {x} <y>", [("[dim] {x} <y>", 1)]),
        (r"a \(paren\) and (real:1.1)", [("a (paren) and ", 1), ("real", 1.1)]),
        (r"(in \) out:1.3)", [("in ) out", 1.3)]),
        ("(unclosed (paren:1.2 and :1.3) text", [("(unclosed (paren:1.2 and :1.3) text", 1)]),
        ("(open (b)", [("open ", 1.1), ("(b", 1.1)]),
        ("a) b (c)", [("a) b (c)", 1)]),
        (")( (x:2)", [(")( ", 1), ("x", 2)]),
        ("()", []),
        ("(:1.5)", [(":1.5", 1.1)]),
        ("(x:)", [("x:", 1.1)]),
        ("(x:1:2)", [("x:1", 2)]),
        ("(y:-0.5)", [("y", -0.5)]),
        ("(y: 1e1 )", [("y", 10)]),
        ("(a:nan)(b:inf)", [("a:nan", 1.1), ("b:inf", 1.1)]),
        ("embedding:a b", [("embedding:a b", 1)]),
        ("x embedding:a\nembedding:b", [("x", 1), ("embedding:a", 1), ("embedding:b", 1)]),
        ("x,embedding:a", [("x,embedding:a", 1)]),
        ("(embedding:a)", [("embedding:a", 1.1)]),
        ("(embedding:a:1.2)", [("embedding:a", 1.2)]),
        ("(x embedding:a:1.2)", [("x", 1.2), ("embedding:a", 1.2)]),
    ],
)
def test_pieces(prompt: str, pieces: list[tuple[str, float]]) -> None:
    found = parse(prompt)
    assert [piece.text for piece in found] == [text for text, _ in pieces]
    assert [piece.weight for piece in found] == pytest.approx([weight for _, weight in pieces])


@given(st.text(alphabet="(a):.1\\ \n"))
def test_every_text_is_a_prompt(prompt: str) -> None:
    assert all(piece.text and math.isfinite(piece.weight) for piece in parse(prompt))


@given(st.text(alphabet=st.characters(exclude_characters="()\\", exclude_categories=["Cs", "Cc"])))
def test_text_without_parentheses_is_one_piece(text: str) -> None:
    if " embedding:" not in text:
        assert [(piece.text, piece.weight) for piece in parse(text)] == ([(text, 1.0)] if text else [])


@given(st.text(alphabet="ab ", min_size=1), st.integers(0, MAX_NESTING))
def test_nesting_multiplies(text: str, depth: int) -> None:
    (piece,) = parse("(" * depth + text + ")" * depth)
    assert piece.text == text
    assert piece.weight == pytest.approx(1.1**depth)


def test_too_deep_is_refused() -> None:
    with pytest.raises(InputInvalid, match="200 deep"):
        parse("(" * 2_000 + ")" * 2_000)


def test_many_open_parentheses_are_text() -> None:
    assert [piece.text for piece in parse("(" * 100_000)] == ["(" * 100_000]
