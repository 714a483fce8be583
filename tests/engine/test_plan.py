"""Plans: order respects edges, only what is needed runs, and a change re-runs exactly what reads it."""

from __future__ import annotations

from typing import Any

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.engine import Engine
from engine.entry import Entry
from engine.graph import Graph, build_graph
from engine.keys import CacheKeys
from engine.plan import Plan, make_plan, plan_more
from engine.workflow import NodeDocument, Workflow
from tests.engine.toys import chain, toy_engine, workflow


def graph_of(engine: Engine, flow: Workflow, wanted: list[str] | None = None) -> tuple[Graph, CacheKeys]:
    checked = engine.inspect(flow, wanted)
    assert not checked.problems
    keys = CacheKeys(engine.folders, engine.models)
    keys.add(checked.nodes.values())
    return build_graph(checked.nodes), keys


def plan_of(engine: Engine, flow: Workflow, wanted: list[str], known: dict[str, Entry] | None = None) -> Plan:
    graph, keys = graph_of(engine, flow, wanted)
    return make_plan(graph, keys, wanted, (known or {}).get)


@st.composite
def dags(draw: st.DrawFn) -> Workflow:
    """Random DAGs of additions with distinct numbers at the leaves, and some nodes that show."""
    nodes: dict[str, NodeDocument] = {}
    for i in range(draw(st.integers(1, 14))):
        links: Any = st.integers(0, i - 1).map(lambda n: [str(n), 0]) if i else st.nothing()
        inputs = {"a": draw(links | st.just(1000 + i)), "b": draw(links | st.just(2000 + i))}
        nodes[str(i)] = NodeDocument(class_type="Add", inputs=inputs)
    return Workflow(nodes=nodes)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return toy_engine(tmp_path_factory.mktemp("plan"))


def as_networkx(flow: Workflow) -> nx.DiGraph:
    graph = nx.DiGraph()
    graph.add_nodes_from(flow.nodes)
    for node_id, node in flow.nodes.items():
        graph.add_edges_from((value[0], node_id) for value in node.inputs.values() if isinstance(value, list))
    return graph


@given(dags(), st.data())
def test_exactly_what_is_needed_in_an_order_that_respects_edges(
    engine: Engine, flow: Workflow, data: st.DataObject
) -> None:
    wanted = data.draw(st.lists(st.sampled_from(sorted(flow.nodes)), min_size=1, unique=True))
    dag = as_networkx(flow)
    needed = set(wanted).union(*(nx.ancestors(dag, node_id) for node_id in wanted))
    plan = plan_of(engine, flow, wanted)
    assert set(plan.steps) <= needed
    _, keys = graph_of(engine, flow, wanted)
    # Of nodes that are the same, one runs.
    assert sorted(keys[i] for i in plan.steps) == sorted({keys[i] for i in needed})
    place = {keys[node_id]: n for n, node_id in enumerate(plan.steps)}
    for above, below in dag.subgraph(needed).edges:
        assert place[keys[above]] < place[keys[below]]
    assert plan.candidates == plan.steps
    assert plan.found == {}


@given(dags(), st.data())
def test_nothing_upstream_of_what_is_known(engine: Engine, flow: Workflow, data: st.DataObject) -> None:
    wanted = data.draw(st.lists(st.sampled_from(sorted(flow.nodes)), min_size=1, unique=True))
    _, keys = graph_of(engine, flow, wanted)
    known = {keys[i]: Entry() for i in data.draw(st.sets(st.sampled_from(sorted(keys))))}
    plan = plan_of(engine, flow, wanted, known)
    dag = as_networkx(flow)
    needed, frontier, stack = set(), set(), list(wanted)
    while stack:
        node_id = stack.pop()
        (frontier if keys[node_id] in known else needed).add(keys[node_id])
        if keys[node_id] not in known:
            stack += dag.predecessors(node_id)
    assert {keys[i] for i in plan.steps} == needed
    assert set(plan.found) == frontier


@settings(max_examples=50)
@given(dags(), st.data())
def test_a_changed_literal_re_runs_exactly_what_reads_it(engine: Engine, flow: Workflow, data: st.DataObject) -> None:
    changed = data.draw(st.sampled_from(sorted(flow.nodes)))
    literals = [name for name, value in flow.nodes[changed].inputs.items() if not isinstance(value, list)]
    if not literals:
        return
    # Every node is told apart, so that none is the same as another by chance.
    for number, (node_id, node) in enumerate(flow.nodes.items()):
        document = NodeDocument(class_type="AnyInputs", inputs={**node.inputs, "own": number})
        flow.nodes[node_id] = document
    engine.cache.clear()
    outputs = sorted(flow.nodes)
    assert set(engine.run(flow, outputs).executed) == set(outputs)
    assert engine.run(flow, outputs).executed == ()
    new = flow.nodes[changed].model_copy(update={"inputs": {**flow.nodes[changed].inputs, literals[0]: -1}})
    again = engine.run(Workflow(nodes={**flow.nodes, changed: new}), outputs)
    assert set(again.executed) == {changed} | nx.descendants(as_networkx(flow), changed)


def test_lazy_inputs_are_candidates_until_they_are_asked_for(engine: Engine) -> None:
    flow = workflow(
        y=("Number", {"value": 1}), y2=("Add", {"a": ["y", 0], "b": 1}), n=("Number", {"value": 2}),
        w=("Switch", {"on": True, "yes": ["y2", 0], "no": ["n", 0]}), s=("Show", {"value": ["w", 0]}),
    )  # fmt: skip
    graph, keys = graph_of(engine, flow)
    plan = make_plan(graph, keys, ["s"], {}.get)
    assert plan.steps == ("w", "s")
    assert plan.candidates == ("y", "y2", "n", "w", "s")
    assert plan_more(graph, keys, ["y2"], {}.get) == ["y", "y2"]
    assert plan_more(graph, keys, ["y2"], {keys["y"]: Entry()}.get) == ["y2"]


def test_edges_carry_input_and_slot(engine: Engine) -> None:
    flow = workflow(
        b=("AddOptional", {"a": 1}), m=("AnyInputs", {"x": ["b", 0], "y": ["b", 1]}), s=("Show", {"value": ["m", 0]})
    )
    graph, _ = graph_of(engine, flow)
    assert nx.is_directed_acyclic_graph(graph)
    assert list(graph.edges(keys=True, data="slot")) == [("b", "m", "x", 0), ("b", "m", "y", 1), ("m", "s", "value", 0)]
    assert graph.nodes["b"]["node"].spec.name == "AddOptional"


def test_long_chains_and_wide_graphs_need_no_recursion(engine: Engine) -> None:
    assert len(plan_of(engine, chain(20_000), ["19999"]).steps) == 20_000
    wide = {str(i): NodeDocument(class_type="Number", inputs={"value": i}) for i in range(5000)}
    wide["s"] = NodeDocument(class_type="AnyInputs", inputs={f"x{i}": [str(i), 0] for i in range(5000)})
    assert len(plan_of(engine, Workflow(nodes=wide), ["s"]).steps) == 5001


def test_diamonds_of_diamonds_are_walked_once(engine: Engine) -> None:
    nodes = {"0": NodeDocument(class_type="Number", inputs={"value": 1})}
    for i in range(1, 500):
        nodes[str(i)] = NodeDocument(class_type="Add", inputs={"a": [str(i - 1), 0], "b": [str(i - 1), 0]})
    assert len(plan_of(engine, Workflow(nodes=nodes), ["499"]).steps) == 500
