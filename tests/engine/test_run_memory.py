"""Values of a run are freed when nothing reads them any more."""

from __future__ import annotations

import gc
import weakref
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from engine.context import Context
from engine.engine import Engine
from engine.errors import Cancelled, NodeFailed
from engine.events import (
    Event,
)
from engine.inputs import Anything
from engine.workflow import NodeDocument, Workflow
from tests.engine.toys import add_node, chain, toy_engine, workflow


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return toy_engine(tmp_path)


def test_dead_values_are_freed_while_the_run_goes_on(tmp_path: Path) -> None:
    engine = toy_engine(tmp_path, cache_budget_bytes=0)
    alive: weakref.WeakSet[Any] = weakref.WeakSet()
    most = 0

    class Big:
        pass

    def make(ctx: Context, *, previous: Any = None) -> Any:
        nonlocal most
        big = Big()
        alive.add(big)
        most = max(most, len(alive))
        return big

    make.__annotations__ = {"previous": Anything | None, "return": Anything}
    add_node(engine, make, "Make")
    nodes = {"0": NodeDocument(class_type="Make", inputs={})}
    for i in range(1, 50):
        nodes[str(i)] = NodeDocument(class_type="Make", inputs={"previous": [str(i - 1), 0]})
    nodes["s"] = NodeDocument(class_type="Show", inputs={"value": ["49", 0]})
    engine.run(Workflow(nodes=nodes))
    gc.collect()
    assert most <= 3
    assert len(alive) == 0


def test_values_that_only_an_unasked_lazy_input_would_read_are_freed(tmp_path: Path) -> None:
    engine = toy_engine(tmp_path, cache_budget_bytes=0)
    alive: weakref.WeakSet[Any] = weakref.WeakSet()
    count_after = -1

    class Big:
        pass

    def make(ctx: Context) -> Any:
        big = Big()
        alive.add(big)
        return big

    def use(ctx: Context, *, value: Any, tag: str) -> int:
        return 1

    def count(ctx: Context, *, value: int) -> None:
        nonlocal count_after
        count_after = len(alive)

    make.__annotations__["return"] = Anything
    use.__annotations__ = {"value": Anything, "tag": str, "return": int}
    count.__annotations__ = {"value": int, "return": None}
    for function, name in ((make, "Make"), (use, "Use")):
        add_node(engine, function, name)
    add_node(engine, count, "Count", output_node=True)
    flow = workflow(
        m=("Make",), y=("Use", {"value": ["m", 0], "tag": "y"}), y2=("Add", {"a": ["y", 0], "b": 1}),
        n=("Use", {"value": ["m", 0], "tag": "n"}),
        w=("Switch", {"on": False, "yes": ["y2", 0], "no": ["n", 0]}), c=("Count", {"value": ["w", 0]}),
    )  # fmt: skip
    result = engine.run(flow)
    assert result.executed == ("m", "n", "w", "c")
    assert count_after == 0


def test_long_chain_without_recursion(engine: Engine) -> None:
    result = engine.run(chain(5000))
    assert result.outputs["4999"].shown["text"] == ("4998",)
    assert len(result.executed) == 5000
    assert engine.run(chain(5000)).executed == ()


def test_shown_by_listeners_cannot_change_the_cache(engine: Engine) -> None:
    result = engine.run(chain(3))
    with pytest.raises(TypeError):
        result.outputs["2"].shown["text"] = ()  # type: ignore[index]
    assert [f.name for f in fields(result)] == ["outputs", "node_seconds", "seconds"]
    assert replace(result, seconds=0.0).outputs == result.outputs
    assert result.seconds > 0


def test_default_log_and_token(engine: Engine) -> None:
    heard: list[Event] = []
    engine.run(chain(3), listeners=[heard.append, heard.append])
    assert len(heard) == 2 * 8


@pytest.mark.parametrize("end", ["done", "failed", "cancelled"])
def test_what_was_made_goes_with_the_result_and_waits_for_no_collection(tmp_path: Path, end: str) -> None:
    engine = toy_engine(tmp_path, cache_budget_bytes=0)
    alive: weakref.WeakSet[Any] = weakref.WeakSet()

    class Big:
        pass

    def make(ctx: Context) -> Any:
        alive.add(big := Big())
        return big

    def save(ctx: Context, *, value: Any) -> Any:
        if end == "failed":
            raise ValueError("no")
        if end == "cancelled":
            ctx.cancel.cancel()
            ctx.check_cancelled()
        return value

    make.__annotations__["return"] = Anything
    save.__annotations__ = {"value": Anything, "return": Anything}
    add_node(engine, make, "Make")
    add_node(engine, save, "Save", output_node=True)
    flow = workflow(m=("Make",), s=("Save", {"value": ["m", 0]}))
    gc.collect()
    gc.disable()
    try:
        if end == "done":
            assert len(engine.run(flow).outputs) == 1
        else:
            with pytest.raises((NodeFailed, Cancelled)):
                engine.run(flow)
        assert len(alive) == 0
    finally:
        gc.enable()
