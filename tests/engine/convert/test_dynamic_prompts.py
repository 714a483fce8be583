"""Alternatives in prompts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.convert import convert
from engine.convert.dynamic_prompts import pick_alternatives
from tests.engine.convert.drawing import classes, text_to_latent


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("plain, (weighted:1.2) [text]", {"plain, (weighted:1.2) [text]"}),
        ("a {red} car", {"a red car"}),
        ("a {red|blue} car", {"a red car", "a blue car"}),
        ("{a|{b|c}}", {"a", "b", "c"}),
        ("{|x}", {"", "x"}),
        (r"\{a|b\}", {"{a|b}"}),
        (r"{a\|b}", {"a|b"}),
        ("a } b | c", {"a } b | c"}),
        ("x {a|b", {"x a", "x b"}),
        ("cat // the animal\nsat /* on\nthe */ mat", {"cat \nsat  mat"}),
        ("C:\\new", {"C:\\new"}),
    ],
)
def test_one_alternative_is_picked(text: str, allowed: set[str]) -> None:
    assert pick_alternatives(text) in allowed


def test_all_alternatives_come_up() -> None:
    assert {pick_alternatives(f"{{a|b|c}} {i}")[0] for i in range(50)} == {"a", "b", "c"}


@given(st.text(alphabet="ab{}|\\/* \n", max_size=60))
def test_any_text_converts_the_same_way_twice(text: str) -> None:
    assert pick_alternatives(text) == pick_alternatives(text)


def test_deeply_nested_groups_do_not_recurse() -> None:
    assert pick_alternatives("{" * 50_000 + "a" + "}" * 50_000) == "a"


def test_only_texts_that_the_schema_says_so_of_are_changed() -> None:
    drawing = text_to_latent()
    drawing.nodes[1]["widgets_values"] = ["a {red} car"]
    drawing.nodes[4]["widgets_values"] = ["{a}", 80]
    nodes = convert(drawing.as_file(), classes()).nodes

    assert nodes["2"].inputs["text"] == "a red car"
    assert nodes["5"].inputs["filename_prefix"] == "{a}"
