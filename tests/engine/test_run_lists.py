"""Lists that nodes are mapped over, lazy inputs, blocked outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import pytest

from engine.context import Context
from engine.engine import Engine
from engine.errors import NodeFailed
from engine.events import Event, NodeBlocked
from engine.inputs import Int
from engine.workflow import NodeDocument, Workflow
from tests.engine.toys import add_node, text, toy_engine, workflow


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return toy_engine(tmp_path)


def test_lists_are_mapped_over_and_joined(engine: Engine) -> None:
    flow = workflow(
        r=("Range", {"count": 4}), q=("Range", {"count": 2}), a=("Add", {"a": ["r", 0], "b": ["q", 0]}),
        t=("Total", {"values": ["a", 0], "weight": 2}), s=("Show", {"value": ["t", 1]}),
        s2=("Show", {"value": ["a", 0]}),
    )  # fmt: skip
    result = engine.run(flow)
    assert result.outputs["s"].shown["text"] == ("0,2,3,4",)
    assert result.outputs["s2"].shown["text"] == ("0", "2", "3", "4")


def test_list_outputs_of_mapped_calls_are_concatenated(engine: Engine) -> None:
    flow = workflow(r=("Range", {"count": 4}), q=("Range", {"count": ["r", 0]}))
    assert engine.run(flow, ["q"]).outputs["q"].values == ((0, 0, 1, 0, 1, 2),)


def test_an_empty_list_is_an_error(engine: Engine) -> None:
    flow = workflow(r=("Range", {"count": 0}), a=("Add", {"a": ["r", 0], "b": 1}), s=("Show", {"value": ["a", 0]}))
    with pytest.raises(NodeFailed, match=r"node a .* 'a': an empty list"):
        engine.run(flow)
    lists = workflow(r=("Range", {"count": 0}), t=("Total", {"values": ["r", 0], "weight": 1}))
    assert engine.run(lists, ["t"]).outputs["t"].values == ((0,), ("",))


def switch_flow(on: Any, yes: int = 1) -> Workflow:
    return workflow(
        base=("Number", {"value": yes}), y=("Add", {"a": ["base", 0], "b": 10}), n=("Add", {"a": ["base", 0], "b": 20}),
        w=("Switch", {"on": on, "yes": ["y", 0], "no": ["n", 0]}), s=("Show", {"value": ["w", 0]}),
    )  # fmt: skip


def test_lazy_inputs_run_only_when_asked_for(engine: Engine) -> None:
    assert engine.run(switch_flow(on=True)).executed == ("base", "y", "w", "s")
    assert engine.run(switch_flow(on=False)).executed == ("n", "w", "s")
    assert engine.run(switch_flow(on=False)).executed == ()
    assert text(engine, switch_flow(on=False, yes=5)) == "25"


def test_a_lazy_input_that_another_node_needs_is_there(engine: Engine) -> None:
    flow = switch_flow(on=True)
    nodes = {**flow.nodes, "also": NodeDocument(class_type="Show", inputs={"value": ["n", 0]})}
    result = engine.run(Workflow(nodes=nodes))
    assert sorted(result.executed) == ["also", "base", "n", "s", "w", "y"]
    assert result.outputs["also"].shown["text"] == ("21",)


def test_lazy_inputs_of_mapped_calls_are_asked_for_together(engine: Engine) -> None:
    flow = switch_flow(on=["r", 0])
    nodes = {**flow.nodes, "r": NodeDocument(class_type="AsBools", inputs={})}

    def as_bools(ctx: Context) -> list[bool]:
        return [True, False]

    add_node(engine, as_bools, "AsBools", output_is_list=(True,))
    result = engine.run(Workflow(nodes=nodes))
    assert result.outputs["s"].shown["text"] == ("11", "21")


def test_lazy_inputs_can_be_asked_for_one_after_the_other(engine: Engine) -> None:
    Lazy = Annotated[int, Int(lazy=True, optional=True)]

    def first_positive(ctx: Context, *, a: Lazy = 0, b: Lazy = 0, c: Lazy = 0) -> int:
        return next(v for v in (a, b, c) if v is not None and v > 0)

    def ask(ctx: Context, *, a: Any, b: Any, c: Any) -> list[str]:
        for name, value in (("a", a), ("b", b), ("c", c)):
            if value is None:
                return [name]
            if value > 0:
                return []
        return []

    first_positive.__annotations__ = {"a": Lazy, "b": Lazy, "c": Lazy, "return": int, "ctx": Context}
    add_node(engine, first_positive, "First", lazy=ask)
    flow = workflow(
        p=("Number", {"value": -1}), q=("Number", {"value": 4}), r=("Number", {"value": 9}),
        f=("First", {"a": ["p", 0], "b": ["q", 0], "c": ["r", 0]}), s=("Show", {"value": ["f", 0]}),
    )  # fmt: skip
    result = engine.run(flow)
    assert result.executed == ("p", "q", "f", "s")
    assert result.outputs["s"].shown["text"] == ("4",)


def test_switches_of_switches(engine: Engine) -> None:
    nodes: dict[str, NodeDocument] = {"0": NodeDocument(class_type="Number", inputs={"value": 1})}
    for i in range(1, 300):
        inputs = {"on": i % 3 == 0, "yes": [str(i - 1), 0], "no": [str(max(0, i - 2)), 0]}
        nodes[str(i)] = NodeDocument(class_type="Switch", inputs=inputs)
    nodes["s"] = NodeDocument(class_type="Show", inputs={"value": ["299", 0]})
    result = engine.run(Workflow(nodes=nodes))
    assert result.outputs["s"].shown["text"] == ("1",)
    assert len(result.executed) < 250


def test_blocked_outputs_skip_what_reads_them(engine: Engine) -> None:
    events: list[Event] = []
    flow = workflow(
        g=("Gate", {"value": 1, "is_open": False, "why": "closed"}), a=("Add", {"a": ["g", 0], "b": 1}),
        s=("Show", {"value": ["a", 0]}), t=("Show", {"value": 5}),
        quiet=("Gate", {"value": 2, "is_open": False, "why": ""}), u=("Show", {"value": ["quiet", 0]}),
    )  # fmt: skip
    result = engine.run(flow, listeners=[events.append])
    assert result.outputs["s"].shown == {}
    assert result.outputs["s"].blocked == "closed"
    assert result.outputs["t"].shown["text"] == ("5",)
    assert result.outputs["u"].shown == {}
    assert result.outputs["u"].blocked is None
    assert [(e.node_id, e.message) for e in events if isinstance(e, NodeBlocked)] == [("s", "closed")]
    again = engine.run(flow)
    assert again.executed == ()
    assert again.outputs["s"].blocked == "closed"


def test_one_blocked_item_of_a_list(engine: Engine) -> None:
    flow = workflow(
        r=("Range", {"count": 3}), g=("GateOdd", {"value": ["r", 0]}), a=("Add", {"a": ["g", 0], "b": 10}),
        s=("Show", {"value": ["a", 0]}), t=("Total", {"values": ["g", 0], "weight": 1}),
        u=("Show", {"value": ["t", 0]}),
    )  # fmt: skip
    from engine.types import Blocked

    def gate_odd(ctx: Context, *, value: int) -> int | Blocked:
        return Blocked("odd") if value % 2 else value

    gate_odd.__annotations__ = {"value": int, "return": int}
    add_node(engine, gate_odd, "GateOdd")
    result = engine.run(flow)
    assert result.outputs["s"].shown["text"] == ("10", "12")
    assert result.outputs["s"].blocked == "odd"
    assert result.outputs["u"].shown == {}
