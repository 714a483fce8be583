"""How much text a node may make, and how little of a long one an error repeats."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.context import Context
from engine.engine import Engine
from engine.errors import DagfusionError, GraphInvalid, NodeFailed, Problem, shortened
from engine.limits import Limits, text_bytes
from tests.engine.toys import add_node, toy_engine, workflow

VALUES = st.recursive(
    st.text() | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


@given(st.lists(VALUES))
def test_texts_are_counted_wherever_they_are(values: list[Any]) -> None:
    def count(value: Any) -> int:
        if isinstance(value, str):
            return len(value.encode("utf-8", "replace"))
        if isinstance(value, dict):
            return sum(32 + count(key) + count(item) for key, item in value.items())
        return sum(16 + count(item) for item in value) if isinstance(value, list) else 0

    assert text_bytes(values, sys.maxsize) == sum(map(count, values))


@given(VALUES, st.integers(0, 100))
def test_what_is_too_much_is_not_counted_out(value: Any, most: int) -> None:
    whole = text_bytes([value], sys.maxsize)
    assert (text_bytes([value], most) > most) == (whole > most)


def test_a_list_of_itself_is_too_much() -> None:
    laughs: list[Any] = ["ha"]
    for _ in range(100):
        laughs = [laughs] * 10
    endless: list[Any] = []
    endless.append(endless)
    for value in (laughs, endless):
        assert text_bytes([value], 2**20) > 2**20


@given(st.text(), st.integers(100, 5000))
def test_a_shortened_text_keeps_its_ends(text: str, most: int) -> None:
    long = text * (5 + 2 * most // max(1, len(text))) if text else ""
    for one in (text, long):
        made = shortened(one, most)
        assert len(made) <= most
        assert made == one or (made[:40] == one[:40] and made[-5:] == one[-5:] and f"{len(one):,}" in made)


def doubling(ctx: Context, *, text: str = "", times: int = 0) -> str:
    return text * 2**times


def listing(ctx: Context, *, text: str = "", times: int = 0) -> list[str]:
    return [text] * times


def showing(ctx: Context, *, text: str = "", times: int = 0) -> None:
    ctx.show("text", *[{"said": [text]}] * times)


@pytest.fixture
def texts(tmp_path: Path) -> Engine:
    made = toy_engine(tmp_path)
    made.limits = Limits(text_bytes=1000)
    add_node(made, doubling, "Doubling")
    add_node(made, listing, "Listing", output_is_list=(True,))
    add_node(made, showing, "Showing", output_node=True)
    return made


@pytest.mark.parametrize(
    ("node", "fits", "too_much"),
    [("Doubling", (100, 3), (100, 4)), ("Listing", (9, 40), (9, 41)), ("Showing", (10, 10), (10, 100))],
)
def test_a_node_that_makes_too_much_text_is_named(
    texts: Engine, node: str, fits: tuple[int, int], too_much: tuple[int, int]
) -> None:
    def run(length: int, times: int) -> None:
        made = (node, {"text": "x" * length, "times": times})
        flow = workflow(n=made) if node == "Showing" else workflow(n=made, s=("Show", {"value": ["n", 0]}))
        texts.run(flow)

    run(*fits)
    with pytest.raises(NodeFailed, match="MiB of text") as failed:
        run(*too_much)
    assert (failed.value.node_id, failed.value.class_type) == ("n", node)
    assert "DAGFUSION_MAX_TEXT_MIB" in failed.value.remedy


def test_what_a_mapped_node_makes_counts_together(texts: Engine) -> None:
    listed = ("Listing", {"text": "x" * 10, "times": 30})
    with pytest.raises(NodeFailed, match="node d "):
        texts.run(workflow(n=listed, d=("Doubling", {"text": ["n", 0], "times": 2}), s=("Show", {"value": ["d", 0]})))


def test_errors_repeat_little_of_what_they_are_about() -> None:
    long = "long " * 100_000
    problem = Problem("value_not_in_list", long, remedy=long, class_type=long)
    invalid = GraphInvalid([problem] * 200)
    failed = NodeFailed("1", "X", ValueError(long), {})
    for error in (DagfusionError(long, remedy=long), failed):
        assert len(str(error)) < 10_000
    assert len(invalid.problems) == 200 and len(str(invalid)) < 1_000_000
    assert len(str(problem)) < 10_000
