"""Several runs of one engine: they share the device in turns, and what needs no device goes on beside."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import pytest

from engine.context import CancelToken, Context
from engine.engine import Engine
from engine.errors import Cancelled, NodeFailed
from engine.events import Event, RunCancelled
from engine.inputs import Int, Text
from tests.engine.toys import add_node, toy_engine, workflow

PATIENCE_S = 10


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    engine = toy_engine(tmp_path)
    engine.at_once = 3
    return engine


@pytest.mark.parametrize("aside", [True, False])
def test_a_run_computes_while_another_one_works_on_a_file(engine: Engine, aside: bool) -> None:
    writing, computed = threading.Event(), threading.Event()

    def write(ctx: Context) -> None:
        writing.set()
        ctx.show("text", computed.wait(PATIENCE_S if aside else 0.2))

    def compute(ctx: Context) -> None:
        computed.set()

    add_node(engine, write, "Write", output_node=True, aside=aside)
    add_node(engine, compute, "Compute", output_node=True)
    with ThreadPoolExecutor(2) as pool:
        writer = pool.submit(engine.run, workflow(w=("Write",)))
        assert writing.wait(PATIENCE_S)
        pool.submit(engine.run, workflow(c=("Compute",))).result(PATIENCE_S)
        assert writer.result(PATIENCE_S).outputs["w"].shown["text"] == (aside,)


class Gate:
    """Notes when a run has the device."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    @contextmanager
    def __call__(self) -> Iterator[None]:
        self.seen.append("in")
        try:
            yield
        finally:
            self.seen.append("out")

    def note(self, ctx: Context) -> None:
        self.seen.append(ctx.node_id)


def test_the_next_run_computes_while_the_last_files_are_written(engine: Engine) -> None:
    engine.at_once = 1
    writing, computed = threading.Event(), threading.Event()

    def compute(ctx: Context) -> Annotated[int, Int()]:
        return 1

    def write(ctx: Context, number: Annotated[int, Int()]) -> None:
        writing.set()
        ctx.show("text", computed.wait(PATIENCE_S))

    def see(ctx: Context) -> None:
        computed.set()

    add_node(engine, compute, "Compute")
    add_node(engine, write, "Write", output_node=True, aside=True)
    add_node(engine, see, "See", output_node=True)
    with ThreadPoolExecutor(2) as pool:
        writer = pool.submit(engine.run, workflow(c=("Compute",), w=("Write", {"number": ["c", 0]})))
        assert writing.wait(PATIENCE_S)
        pool.submit(engine.run, workflow(s=("See",))).result(PATIENCE_S)
        assert writer.result(PATIENCE_S).outputs["w"].shown["text"] == (True,)


def test_the_device_is_held_until_only_files_are_left(engine: Engine) -> None:
    gate = Gate()

    def compute(ctx: Context, number: Annotated[int, Int()] = 0) -> Annotated[int, Int()]:
        gate.note(ctx)
        return number

    def file(ctx: Context, number: Annotated[int, Int()] = 0) -> Annotated[int, Int()]:
        gate.note(ctx)
        return number

    add_node(engine, compute, "Compute", output_node=True)
    add_node(engine, file, "File", output_node=True, aside=True)
    flow = workflow(
        read=("File", {"number": 1}),
        a=("Compute", {"number": ["read", 0]}),
        write_a=("File", {"number": ["a", 0]}),
        b=("Compute", {"number": ["write_a", 0]}),
        write_b=("File", {"number": ["b", 0]}),
        write_again=("File", {"number": ["write_b", 0]}),
    )
    engine.run(flow, admit=gate)
    assert gate.seen == ["in", "read", "a", "write_a", "b", "out", "write_b", "write_again"]
    gate.seen.clear()
    engine.run(flow, admit=gate)
    assert gate.seen == ["in", "out"], "what is known already is looked for at the device: the run before makes it"


def test_a_file_that_another_run_is_writing_is_not_written_again(engine: Engine) -> None:
    engine.at_once = 1
    writing, checked = threading.Event(), threading.Event()
    written: list[str] = []

    def write(ctx: Context, name: Annotated[str, Text()]) -> None:
        writing.set()
        checked.wait(PATIENCE_S)
        written.append(name)
        ctx.show("text", name)

    add_node(engine, write, "Write", output_node=True, aside=True)
    flow = workflow(w=("Write", {"name": "a"}))
    started: list[Event] = []
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(engine.run, flow)
        assert writing.wait(PATIENCE_S)
        second = pool.submit(engine.run, flow, listeners=[started.append])
        while not started:
            time.sleep(0.001)
        checked.set()
        results = [run.result(PATIENCE_S).outputs["w"] for run in (first, second)]
    assert written == ["a"]
    assert [(result.shown["text"], result.cached) for result in results] == [(("a",), False), (("a",), True)]


def test_a_file_is_written_by_the_next_run_where_the_first_one_fails(engine: Engine) -> None:
    writing, checked = threading.Event(), threading.Event()

    def write(ctx: Context) -> None:
        if not writing.is_set():
            writing.set()
            checked.wait(PATIENCE_S)
            raise OSError("disk full")

    add_node(engine, write, "Write", output_node=True, aside=True)
    started: list[Event] = []
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(engine.run, workflow(w=("Write",)))
        assert writing.wait(PATIENCE_S)
        second = pool.submit(engine.run, workflow(w=("Write",)), listeners=[started.append])
        while not started:
            time.sleep(0.001)
        checked.set()
        with pytest.raises(NodeFailed, match="disk full"):
            first.result(PATIENCE_S)
        assert not second.result(PATIENCE_S).outputs["w"].cached


def test_a_run_that_waits_for_a_file_can_be_cancelled(engine: Engine) -> None:
    writing, checked, cancel = threading.Event(), threading.Event(), CancelToken()

    def write(ctx: Context) -> None:
        writing.set()
        checked.wait(PATIENCE_S)

    add_node(engine, write, "Write", output_node=True, aside=True)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(engine.run, workflow(w=("Write",)))
        assert writing.wait(PATIENCE_S)
        second = pool.submit(engine.run, workflow(w=("Write",)), cancel=cancel, listeners=[lambda _: cancel.cancel()])
        with pytest.raises(Cancelled):
            second.result(PATIENCE_S)
        checked.set()
        first.result(PATIENCE_S)


def test_a_run_that_is_cancelled_before_it_has_the_device_tells_of_its_end(engine: Engine) -> None:
    events: list[Event] = []

    @contextmanager
    def cancelled_meanwhile() -> Iterator[None]:
        raise Cancelled
        yield

    with pytest.raises(Cancelled):
        engine.run(workflow(n=("Number", {"value": 1})), ["n"], listeners=[events.append], admit=cancelled_meanwhile)
    assert [type(event) for event in events] == [RunCancelled]


def test_what_a_file_node_asks_for_late_is_computed_at_the_device_again(engine: Engine) -> None:
    gate = Gate()

    def compute(ctx: Context) -> Annotated[int, Int()]:
        gate.note(ctx)
        return 7

    def file(ctx: Context, number: Annotated[int, Int(lazy=True)] = 0) -> None:
        gate.note(ctx)
        ctx.show("text", str(number))

    add_node(engine, compute, "Compute")
    add_node(engine, file, "File", output_node=True, aside=True, lazy=lambda ctx, *, number: ["number"])
    result = engine.run(workflow(c=("Compute",), f=("File", {"number": ["c", 0]})), admit=gate)
    assert gate.seen == ["in", "out", "in", "c", "out", "f"]
    assert result.outputs["f"].shown["text"] == ("7",)


def test_the_device_is_left_where_a_node_fails(engine: Engine) -> None:
    gate = Gate()

    def fail(ctx: Context) -> None:
        raise ValueError("broken")

    for aside in (False, True):
        add_node(engine, fail, f"Fail{aside}", output_node=True, aside=aside)
        with pytest.raises(NodeFailed):
            engine.run(workflow(f=(f"Fail{aside}",)), admit=gate)
    assert gate.seen == ["in", "out"] * 2


def test_at_the_device_one_computes_at_a_time(engine: Engine) -> None:
    inside: list[int] = []
    most = 0

    def busy(ctx: Context, *, number: Annotated[int, Int()] = 0) -> None:
        nonlocal most
        inside.append(number)
        most = max(most, len(inside))
        threading.Event().wait(0.01)
        inside.remove(number)

    add_node(engine, busy, "Busy", output_node=True)
    with ThreadPoolExecutor(3) as pool:
        flows = [workflow(b=("Busy", {"number": number})) for number in range(6)]
        assert all(result.executed == ("b",) for result in pool.map(engine.run, flows))
    assert most == 1
