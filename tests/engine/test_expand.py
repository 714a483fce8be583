"""Nodes that stand for a subgraph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.engine import Engine
from engine.errors import GraphInvalid, InputInvalid, NodeFailed
from engine.events import Event, NodeFinished, NodeStarted
from engine.workflow import Workflow
from tests.engine.toys import toy_engine, workflow


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return toy_engine(tmp_path)


def power(base: Any, exponent: Any) -> Workflow:
    return workflow(
        b=("Number", {"value": base}),
        p=("Power", {"base": ["b", 0], "exponent": exponent}),
        s=("Show", {"value": ["p", 0]}),
    )


def expansion(graph: dict[str, Any], outputs: Any = None, value: Any = 5) -> Workflow:
    inputs = {"value": value, "graph": graph, **({"outputs": {"__value__": outputs}} if outputs else {})}
    return workflow(e=("Expand", inputs), s=("Show", {"value": ["e", 0]}))


def text(engine: Engine, flow: Workflow) -> tuple[str, ...]:
    shown: tuple[str, ...] = engine.run(flow).outputs["s"].shown["text"]
    return shown


def test_an_expansion_is_run_and_cached_inside_and_out(engine: Engine) -> None:
    first = engine.run(power(2, 3))
    assert first.outputs["s"].shown["text"] == ("8",)
    assert engine.run(power(2, 3)).executed == ()
    # Of a bigger power, what was computed for the smaller one is known: typed-in 2 to the second.
    again = engine.run(power(2, 4))
    assert again.outputs["s"].shown["text"] == ("16",)
    assert sum(i.endswith("times") for i in again.executed) == 1
    assert sum(i.endswith("less") for i in again.executed) == 1


def test_events_name_the_node_that_clients_know(engine: Engine) -> None:
    events: list[Event] = []
    engine.run(power(2, 3), listeners=[events.append])
    started = [e for e in events if isinstance(e, NodeStarted)]
    inner = [e for e in started if e.node_id not in "bps"]
    assert inner
    assert {e.display_id for e in inner} == {"p"}
    assert len({e.node_id for e in started}) == len(started)
    assert {e.display_id for e in events if isinstance(e, NodeFinished)} == {"b", "p", "s"}
    assert [e.number for e in events] == list(range(1, len(events) + 1))


def test_deep_expansion_needs_no_recursion_and_keeps_no_nodes(engine: Engine) -> None:
    assert text(engine, power(1, 1500)) == ("1",)


def test_mapped_expansions(engine: Engine) -> None:
    flow = workflow(
        r=("Range", {"count": 4}), p=("Power", {"base": ["r", 0], "exponent": 2}), s=("Show", {"value": ["p", 0]})
    )
    assert text(engine, flow) == ("0", "1", "4", "9")


def test_an_expansion_may_give_back_values_and_inner_lists(engine: Engine) -> None:
    graph = {"r": {"class_type": "Range", "inputs": {"count": 3}}}
    assert text(engine, expansion(graph)) == ("0", "1", "2")
    assert text(engine, expansion(graph, ["VALUE"], value=7)) == ("7",)
    assert text(engine, expansion({}, ["VALUE"], value=8)) == ("8",)


def test_output_nodes_within_run_and_show_under_the_node(engine: Engine) -> None:
    graph = {
        "a": {"class_type": "Add", "inputs": {"a": "VALUE", "b": 1}},
        "show": {"class_type": "Show", "inputs": {"value": ["a", 0]}},
    }
    events: list[Event] = []
    first = engine.run(expansion(graph), listeners=[events.append])
    assert first.outputs["e"].shown == {"text": ("6",)}
    assert [(e.display_id, dict(e.shown)) for e in events if isinstance(e, NodeFinished) and e.shown] == [
        ("e", {"text": ("6",)}),
        ("s", {"text": ("6",)}),
    ]
    engine.cache.clear()
    engine.run(workflow(a=("Add", {"a": 5, "b": 1}), x=("Show", {"value": ["a", 0]})))
    known = engine.run(expansion(graph))
    assert known.outputs["e"].shown == {"text": ("6",)}
    assert not any(i.endswith("show") for i in known.executed)


def test_an_output_node_that_expands_shows_the_same_from_the_cache(engine: Engine) -> None:
    graph = {
        "show": {"class_type": "Show", "inputs": {"value": 3}},
        "n": {"class_type": "Number", "inputs": {"value": 1}},
    }
    flow = workflow(e=("Expand", {"value": 1, "graph": graph, "outputs": {"__value__": ["n"]}}))
    first, second = engine.run(flow, ["e"]), engine.run(flow, ["e"])
    assert first.outputs["e"].shown == second.outputs["e"].shown == {"text": ("3",)}
    assert second.outputs["e"].cached
    assert second.executed == ()


def test_values_that_are_no_json_are_known_by_where_they_come_from(engine: Engine) -> None:
    graph = {
        "o": {"class_type": "Opened", "inputs": {"image": "VALUE"}},
        "a": {"class_type": "Add", "inputs": {"a": ["o", 0], "b": 100}},
    }

    def flow(seed: int, outputs: list[str]) -> Workflow:
        return workflow(
            f=("Fresh", {"seed": seed}),
            e=("Expand", {"value": ["f", 0], "graph": graph, "outputs": {"__value__": outputs}}),
            s=("Show", {"value": ["e", 0]}),
        )

    assert text(engine, flow(1, ["o"])) == ("1",)
    assert text(engine, flow(2, ["o"])) == ("2",)
    # Another expansion with the same value in it finds the opened one.
    again = engine.run(flow(2, ["a"]))
    assert again.outputs["s"].shown["text"] == ("102",)
    assert not any(i.endswith("o") for i in again.executed)


def test_values_from_an_always_running_node_are_not_known_again(engine: Engine) -> None:
    graph = {"n": {"class_type": "Show", "inputs": {"value": "VALUE"}}}
    flow = workflow(
        f=("Fresh", {"seed": ["x", 0]}), x=("Always", {"value": 1}),
        e=("Expand", {"value": ["f", 0], "graph": graph, "outputs": {"__value__": ["VALUE"]}}),
        s=("Show", {"value": ["e", 0]}),
    )  # fmt: skip
    assert len(engine.run(flow).executed) == len(engine.run(flow).executed) == 5
    assert len(engine.cache) == 0


def test_what_is_wrong_within_is_the_nodes_failure(engine: Engine) -> None:
    with pytest.raises(NodeFailed, match=r"node e .*Mystery") as caught:
        engine.run(expansion({"m": {"class_type": "Mystery", "inputs": {}}}))
    assert isinstance(caught.value.__cause__, GraphInvalid)
    with pytest.raises(NodeFailed) as caught:
        engine.run(expansion({"m": {"class_type": "Number", "inputs": {"value": 1}}}, ["elsewhere"]))
    assert isinstance(caught.value.__cause__, InputInvalid)
    with pytest.raises(NodeFailed, match="2"):
        engine.run(expansion({"m": {"class_type": "Number", "inputs": {"value": 1}}}, ["m", "m"]))


def test_a_failure_within_names_the_node_within(engine: Engine) -> None:
    with pytest.raises(NodeFailed, match="it broke") as caught:
        engine.run(expansion({"f": {"class_type": "Fail", "inputs": {"value": 1, "kind": "ValueError"}}}))
    assert caught.value.class_type == "Fail"
    assert caught.value.node_id.startswith("e.")


def test_ids_within_never_collide_with_the_workflows(engine: Engine) -> None:
    flow = expansion({"n": {"class_type": "Number", "inputs": {"value": 4}}})
    flow.nodes["e.0.n"] = workflow(x=("Show", {"value": 9})).nodes["x"]
    result = engine.run(flow)
    assert result.outputs["s"].shown["text"] == ("4",)
    assert result.outputs["e.0.n"].shown["text"] == ("9",)
