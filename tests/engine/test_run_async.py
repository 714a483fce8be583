"""Nodes that are ``async def``: they run, several of one job at a time, and fail and end like others."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Annotated, Any

import pytest

from engine.context import CancelToken, Context
from engine.engine import Engine
from engine.errors import Cancelled, InputInvalid, NodeFailed
from engine.inputs import Int
from engine.types import Expansion, Link
from tests.engine.toys import add_node, toy_engine, workflow

PATIENCE_S = 10
Lazy = Annotated[int, Int(lazy=True)]


class Meeting:
    """Async nodes that end only once ``count`` of them run at a time."""

    def __init__(self, count: int) -> None:
        self.count, self.here, self.all_here = count, 0, asyncio.Event()

    async def __call__(self) -> None:
        self.here += 1
        if self.here == self.count:
            self.all_here.set()
        await asyncio.wait_for(self.all_here.wait(), PATIENCE_S)


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    engine = toy_engine(tmp_path)

    async def later(ctx: Context, *, value: int) -> int:
        await asyncio.sleep(0)
        return value + 1

    add_node(engine, later, "Later")
    return engine


def shown(engine: Engine, **nodes: Any) -> dict[str, Any]:
    return {name: result.shown["text"] for name, result in engine.run(workflow(**nodes)).outputs.items()}


def test_what_an_async_node_returns_is_handed_on(engine: Engine) -> None:
    nodes = {"a": ("Later", {"value": 1}), "b": ("Later", {"value": ["a", 0]}), "s": ("Show", {"value": ["b", 0]})}
    assert shown(engine, **nodes) == {"s": ("3",)}


def test_nodes_of_one_job_run_at_a_time_also_those_behind_others(engine: Engine) -> None:
    meeting = Meeting(2)

    async def meet(ctx: Context, *, value: int) -> int:
        await meeting()
        return value

    add_node(engine, meet, "Meet")
    nodes = {
        # Depth first, the second chain would begin only once the first has ended.
        "a1": ("Later", {"value": 1}),
        "a2": ("Meet", {"value": ["a1", 0]}),
        "b1": ("Later", {"value": 5}),
        "b2": ("Meet", {"value": ["b1", 0]}),
        "sum": ("Add", {"a": ["a2", 0], "b": ["b2", 0]}),
        "s": ("Show", {"value": ["sum", 0]}),
    }
    assert shown(engine, **nodes) == {"s": ("8",)}
    assert meeting.here == 2


def test_ordinary_nodes_run_meanwhile(engine: Engine) -> None:
    computed = threading.Event()

    async def wait(ctx: Context, *, value: int) -> int:
        assert await asyncio.to_thread(computed.wait, PATIENCE_S)
        return value

    def compute(ctx: Context) -> int:
        computed.set()
        return 2

    add_node(engine, wait, "Wait")
    add_node(engine, compute, "Compute")
    nodes = {
        "w": ("Wait", {"value": 40}),
        "c": ("Compute", {}),
        "sum": ("Add", {"a": ["w", 0], "b": ["c", 0]}),
        "s": ("Show", {"value": ["sum", 0]}),
    }
    assert shown(engine, **nodes) == {"s": ("42",)}


def test_the_calls_over_a_list_run_at_a_time(engine: Engine) -> None:
    meeting = Meeting(3)

    async def meet(ctx: Context, *, value: int) -> int:
        await meeting()
        return value * 10

    add_node(engine, meet, "Meet")
    nodes = {
        "r": ("Range", {"count": 3}),
        "m": ("Meet", {"value": ["r", 0]}),
        "s": ("Show", {"value": ["m", 0]}),
    }
    assert shown(engine, **nodes) == {"s": ("0", "10", "20")}


@pytest.mark.parametrize("side", ["Later", "Add"])
def test_what_lies_behind_a_lazy_input_may_be_async(engine: Engine, side: str) -> None:
    async def wanted(ctx: Context, *, a: Any, b: Any) -> list[str]:
        return ["b"] if b is None else []

    def pick(ctx: Context, *, a: Lazy, b: Lazy) -> int:
        return b

    add_node(engine, pick, "Pick", lazy=wanted)
    nodes = {
        "l": ("Later", {"value": 1}),
        "x": (side, {"value": ["l", 0]} if side == "Later" else {"a": ["l", 0], "b": 1}),
        "p": ("Pick", {"a": ["never", 0], "b": ["x", 0]}),
        "never": ("Fail", {}),
        "s": ("Show", {"value": ["p", 0]}),
    }
    assert shown(engine, **nodes) == {"s": ("3",)}


def test_an_async_node_may_stand_for_a_subgraph_with_async_nodes(engine: Engine) -> None:
    async def grow(ctx: Context, *, value: int) -> int | Expansion:
        graph = {
            "x": {"class_type": "Later", "inputs": {"value": value}},
            "y": {"class_type": "Later", "inputs": {"value": Link("x", 0)}},
        }
        return Expansion(graph, (Link("y", 0),))

    add_node(engine, grow, "Grow")
    nodes = {
        "g": ("Grow", {"value": 1}),
        "h": ("Grow", {"value": 10}),
        "sum": ("Add", {"a": ["g", 0], "b": ["h", 0]}),
        "s": ("Show", {"value": ["sum", 0]}),
    }
    assert shown(engine, **nodes) == {"s": ("15",)}


def test_one_that_fails_is_named_and_ends_the_others(engine: Engine) -> None:
    ended = []

    async def hang(ctx: Context, *, value: int) -> int:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            ended.append(value)
            raise
        return value

    async def fail(ctx: Context, *, value: int) -> int:
        await asyncio.sleep(0)
        raise InputInvalid("no such thing", input="value")

    add_node(engine, hang, "Hang")
    add_node(engine, fail, "Break")
    nodes = {
        "h": ("Hang", {"value": 7}),
        "f": ("Break", {"value": 1}),
        "sum": ("Add", {"a": ["h", 0], "b": ["f", 0]}),
        "s": ("Show", {"value": ["sum", 0]}),
    }
    with pytest.raises(NodeFailed, match=r"node f \(Break\), input 'value': no such thing"):
        engine.run(workflow(**nodes))
    assert ended == [7]


def test_cancelling_ends_what_runs(engine: Engine) -> None:
    cancel = CancelToken()

    async def hang(ctx: Context) -> int:
        cancel.cancel()
        await asyncio.sleep(3600)
        return 1

    add_node(engine, hang, "Hang")
    with pytest.raises(Cancelled):
        engine.run(workflow(h=("Hang", {}), s=("Show", {"value": ["h", 0]})), cancel=cancel)


def test_async_side_functions_are_awaited(engine: Engine) -> None:
    async def refuse(ctx: Context, *, value: int) -> str | None:
        return "too many" if value > 2 else None

    async def identity(ctx: Context, *, value: int) -> int:
        return value

    add_node(engine, identity, "Checked", validate=refuse, fingerprint=identity)
    nodes = {"c": ("Checked", {"value": 2}), "s": ("Show", {"value": ["c", 0]})}
    assert shown(engine, **nodes) == {"s": ("2",)}
    problems = engine.check(workflow(c=("Checked", {"value": 3}), s=("Show", {"value": ["c", 0]})))
    assert [problem.message for problem in problems] == ["too many"]
