"""Choices whose options have inputs of their own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.context import Context
from engine.convert.litegraph import read_node
from engine.convert.widgets import read_widgets
from engine.dynamic import all_nested_inputs, with_nested
from engine.errors import DagfusionError
from engine.folders import Folders
from engine.inputs import Anything, Choice, DynamicChoice, Float, Given, Grow, Growing, Int, Matched
from engine.links import given_inputs
from engine.object_info import object_info
from engine.registry import Registry, node
from engine.schema import NodeSpec
from tests.engine.toys import toy_engine, workflow

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


def node_of(function: Any) -> NodeSpec:
    """The class that the function declares."""
    spec: NodeSpec = function.__dagfusion_nodes__[0]
    return spec


SPEC = node_of(resize)


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


@node("Sum", category="toys")
def sum_up(
    ctx: Context,
    *,
    numbers: Annotated[Grow[Annotated[int, Int(force_input=True)]], Growing(min=2, max=4)],
    more: Annotated[Grow[Anything], Growing(min=0, names=("left", "right"))],
) -> Annotated[Any, Matched("same")]:
    """Shows how it is called."""
    return numbers, more


@node("Same", category="toys")
def same(
    ctx: Context, *, one: Annotated[Any, Matched("same", "INT,STRING")]
) -> Annotated[Any, Matched("same", "INT,STRING")]:
    return one


GROWING = node_of(sum_up)


@pytest.mark.parametrize(
    ("inputs", "names"),
    [
        ({}, ["numbers.number0", "numbers.number1"]),
        ({"numbers.number3": 1, "numbers.number9": 1}, ["numbers.number0", "numbers.number1", "numbers.number3"]),
        ({"more.right": 1, "more.other": 1}, ["numbers.number0", "numbers.number1", "more.right"]),
    ],
)
def test_growing_inputs_are_those_needed_and_those_given(inputs: dict[str, Any], names: list[str]) -> None:
    found = dict(given_inputs(GROWING, inputs))
    assert list(found) == names
    assert [name for name, spec in found.items() if spec and spec.required] == names[:2]


def test_growing_inputs_reach_the_function_in_one_mapping() -> None:
    arguments = {"numbers.number10": 0, "numbers.number1": 5, "numbers.number0": 4}
    assert with_nested(GROWING, arguments) == {"numbers": {"number0": 4, "number1": 5}, "more": {}}


def test_growing_and_matched_inputs_are_described_as_comfyui_does() -> None:
    info = object_info(GROWING, Folders())
    item = ["INT", {"forceInput": True}]
    template = {"input": {"required": {"number": item}}, "prefix": "number", "min": 2, "max": 4}
    names = {"input": {"required": {"more": ["*", {}]}}, "names": ["left", "right"], "min": 0}
    assert info["input"]["required"] == {
        "numbers": ["COMFY_AUTOGROW_V3", {"template": template}],
        "more": ["COMFY_AUTOGROW_V3", {"template": names}],
    }
    assert (info["output"], info["output_matchtypes"]) == (["COMFY_MATCHTYPE_V3"], ["same"])
    matched = {"template": {"template_id": "same", "allowed_types": "INT,STRING"}}
    assert object_info(node_of(same), Folders())["input"]["required"] == {"one": ["COMFY_MATCHTYPE_V3", matched]}


@pytest.mark.parametrize(
    ("source", "code"),
    [("Number", None), ("Picture", "return_type_mismatch"), ("Same", None)],
)
def test_links_to_growing_and_matched_inputs_are_checked_by_type(tmp_path: Path, source: str, code: str | None) -> None:
    engine = toy_engine(tmp_path)
    engine.registry.add(node_of(sum_up))
    engine.registry.add(node_of(same))
    nodes = {
        "n": ("Number", {"value": 1}),
        "Number": ("Number", {"value": 1}),
        "Picture": ("MakePicture", {}),
        "Same": ("Same", {"one": ["n", 0]}),
        "sum": ("Sum", {"numbers.number0": ["n", 0], "numbers.number1": [source, 0]}),
        "same": ("Same", {"one": [source, 0]}),
        "a": ("Show", {"value": ["sum", 0]}),
        "b": ("Show", {"value": ["same", 0]}),
    }
    problems = {(p.node_id, p.input, p.code) for p in engine.check(workflow(**nodes))}
    assert problems == ({("sum", "numbers.number1", code), ("same", "one", code)} if code else set())


@pytest.mark.parametrize("name", ["DYNPROMPT", "prompt", "AUTH_TOKEN_COMFY_ORG"])
def test_an_unknown_hidden_input_is_refused_when_the_file_is_read(tmp_path: Path, name: str) -> None:
    (tmp_path / "mine.py").write_text(
        "from __future__ import annotations\nfrom typing import Annotated, Any\nfrom engine.inputs import Hidden\n"
        "from engine.registry import node\n@node('Mine', category='x')\n"
        f"def mine(ctx, *, a: Annotated[Any, Hidden('{name}')] = None) -> int:\n    return 1\n"
    )
    with pytest.raises(DagfusionError, match=f"there is no hidden input '{name}'; there are: PROMPT"):
        Registry().add_folder(tmp_path)
