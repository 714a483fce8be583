"""Choices whose options have inputs of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.context import Context
from engine.convert.litegraph import read_node
from engine.convert.widgets import read_widgets
from engine.dynamic import all_nested_inputs, with_nested
from engine.inputs import Choice, DynamicChoice, Float, Given, Int
from engine.registry import Registry, node

_INNER = {"fixed": {}, "scaled": {"factor": Given(Annotated[float, Float(min=0.0, max=8.0)], 2.0)}}
_OPTIONS = {
    "none": {},
    "size": {"width": Given(Annotated[int, Int(min=1)], 64), "way": Given(Annotated[Any, DynamicChoice(_INNER)])},
    "named": {"name": Given(Annotated[str, Choice("a", "b")])},
}


@node("Resize", category="toys")
def resize(
    ctx: Context,
    *,
    count: Annotated[int, Int()] = 1,
    kind: Annotated[Mapping[str, Any], DynamicChoice(_OPTIONS)],
    last: str = "end",
) -> str:
    return str((count, kind, last))


REGISTRY = Registry()
REGISTRY.add_module(__import__("sys").modules[__name__])
SPEC = REGISTRY["Resize"]


@pytest.mark.parametrize(
    ("inputs", "names"),
    [
        ({"kind": "none"}, []),
        ({"kind": "named"}, ["kind.name"]),
        ({"kind": "size"}, ["kind.width", "kind.way"]),
        ({"kind": "size", "kind.way": "scaled"}, ["kind.width", "kind.way", "kind.way.factor"]),
        ({"kind": "no option"}, []),
        ({"kind": ["1", 0]}, []),
    ],
)
def test_only_the_chosen_option_s_inputs_count(inputs: dict[str, Any], names: list[str]) -> None:
    assert [nested.name for nested in all_nested_inputs(SPEC.inputs["kind"], inputs)] == names


def test_the_function_gets_them_nested() -> None:
    arguments = {"count": 2, "kind": "size", "kind.width": 9, "kind.way": "scaled", "kind.way.factor": 0.5, "last": "x"}
    way = {"way": "scaled", "factor": 0.5}
    assert with_nested(SPEC, arguments) == {"count": 2, "kind": {"kind": "size", "width": 9, "way": way}, "last": "x"}
    assert with_nested(SPEC, {"count": 1, "kind": "none"}) == {"count": 1, "kind": {"kind": "none"}}


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ([3, "none", "z"], {"kind": "none"}),
        ([3, "named", "b", "z"], {"kind": "named", "kind.name": "b"}),
        ([3, "size", 7, "fixed", "z"], {"kind": "size", "kind.width": 7, "kind.way": "fixed"}),
        (
            [3, "size", 7, "scaled", 4.0, "z"],
            {"kind": "size", "kind.width": 7, "kind.way": "scaled", "kind.way.factor": 4.0},
        ),
    ],
)
def test_positional_values_of_ui_files(values: list[Any], named: dict[str, Any]) -> None:
    drawn = read_node({"id": 1, "type": "Resize", "inputs": [], "widgets_values": values}, 0, "test")
    found = read_widgets(drawn, SPEC)
    assert found.by_name == {"count": 3, "last": "z", **named}
    assert found.lost == ()


NAMES = ["count", "kind", "kind.width", "kind.way", "kind.way.factor", "last"]


@given(st.dictionaries(st.sampled_from(NAMES), st.integers() | st.sampled_from([*_OPTIONS, *_INNER, None])))
def test_nesting_never_loses_a_plain_input(arguments: dict[str, Any]) -> None:
    made = with_nested(SPEC, arguments)
    assert {name: made.get(name) for name in ("count", "last")} == {n: arguments.get(n) for n in ("count", "last")}
    assert not any("." in name for name in made)
