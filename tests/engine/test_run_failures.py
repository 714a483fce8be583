"""Failures, cancelling, events, and several runs at once."""

from __future__ import annotations

import gc
import threading
import weakref
from pathlib import Path
from typing import Any

import pytest

from engine.context import CancelToken, Context
from engine.engine import Engine
from engine.errors import Cancelled, InputInvalid, ModelUnreadable, NodeFailed, OutOfMemory
from engine.events import (
    Event,
    NodeFinished,
    NodeProgress,
    NodeStarted,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunStarted,
)
from engine.inputs import Anything
from tests.engine.toys import FileName, add_node, chain, toy_engine, workflow


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return toy_engine(tmp_path)


def test_events_are_numbered_without_gaps_and_tell_the_whole_story(engine: Engine) -> None:
    events: list[Event] = []
    flow = workflow(a=("Number", {"value": 1}), s=("Show", {"value": ["a", 0]}))
    engine.run(flow, listeners=[events.append])
    assert [type(e) for e in events] == [RunStarted, NodeStarted, NodeFinished, NodeStarted, NodeFinished, RunFinished]
    assert [e.number for e in events] == list(range(1, 7))
    assert isinstance(events[0], RunStarted)
    assert (events[0].steps, events[0].cached) == (("a", "s"), ())
    assert isinstance(events[4], NodeFinished)
    assert (events[4].node_id, events[4].display_id, dict(events[4].shown)) == ("s", "s", {"text": ("1",)})

    events: list[Event] = []
    engine.run(flow, listeners=[events.append])
    assert [type(e) for e in events] == [RunStarted, NodeFinished, RunFinished]
    assert isinstance(events[0], RunStarted)
    assert (events[0].steps, events[0].cached) == ((), ("a", "s"))
    assert isinstance(events[1], NodeFinished)
    assert events[1].cached
    assert dict(events[1].shown) == {"text": ("1",)}
    assert [e.number for e in events] == [1, 2, 3]


def test_a_failing_node_is_named_with_its_inputs(engine: Engine) -> None:
    events: list[Event] = []
    flow = workflow(
        n=("Number", {"value": 3}),
        f=("Fail", {"value": ["n", 0], "kind": "ValueError"}),
        s=("Show", {"value": ["f", 0]}),
    )
    with pytest.raises(NodeFailed) as caught:
        engine.run(flow, listeners=[events.append])
    error = caught.value
    assert (error.node_id, error.class_type, error.cause_type) == ("f", "Fail", "ValueError")
    assert error.inputs == {"value": 3, "kind": "ValueError"}
    assert isinstance(error.__cause__, ValueError)
    assert isinstance(events[-1], RunFailed)
    assert events[-1].error is error
    assert [e.number for e in events] == list(range(1, len(events) + 1))
    # What finished before is kept.
    assert engine.run(workflow(n=("Number", {"value": 3}), s=("Show", {"value": ["n", 0]}))).executed == ("s",)


def test_what_a_node_says_about_its_input_is_passed_on(engine: Engine) -> None:
    flow = workflow(f=("Fail", {"value": 1, "kind": "Input"}), s=("Show", {"value": ["f", 0]}))
    with pytest.raises(NodeFailed, match=r"node f \(Fail\), input 'value': no such thing \(use another\)") as caught:
        engine.run(flow)
    assert isinstance(caught.value.__cause__, InputInvalid)
    assert caught.value.input == "value"


def test_a_broken_file_is_told_with_the_input_that_names_it(engine: Engine) -> None:
    def load(ctx: Context, *, name: FileName, other: FileName) -> str:
        raise ModelUnreadable("model file 'b.bin' is truncated", remedy="fetch it again")

    for name in ("a.bin", "b.bin"):
        (engine.folders.of_kind("checkpoints")[0] / name).write_text(name)
    add_node(engine, load, "LoadTwo")
    with pytest.raises(NodeFailed, match=r"node l \(LoadTwo\), input 'other': model file 'b\.bin' is truncated"):
        engine.run(workflow(l=("LoadTwo", {"name": "a.bin", "other": "b.bin"}), s=("Show", {"value": ["l", 0]})))


def test_wrong_number_of_outputs_is_the_nodes_failure(engine: Engine) -> None:
    def wrong(ctx: Context) -> int:
        return 1

    add_node(engine, wrong, "Wrong", output_is_list=(True,))
    with pytest.raises(NodeFailed, match="Wrong"):
        engine.run(workflow(w=("Wrong",), s=("Show", {"value": ["w", 0]})))


@pytest.mark.parametrize("kind", ["host", "cuda", "torch on the host"])
def test_out_of_memory_frees_the_cache_and_the_engine_goes_on(engine: Engine, kind: str) -> None:
    class Held:
        pass

    kept: list[weakref.ref[Held]] = []

    def hold(ctx: Context) -> Any:
        held = Held()
        kept.append(weakref.ref(held))
        return held

    def burst(ctx: Context, *, value: Any) -> int:
        local = Held()
        kept.append(weakref.ref(local))
        raise out_of_memory(kind)

    def hear(event: Event) -> None:
        if isinstance(event, RunFailed):
            alive_when_told.append(sum(ref() is not None for ref in kept))

    alive_when_told: list[int] = []
    hold.__annotations__["return"] = Anything
    burst.__annotations__ = {"value": Anything, "return": int}
    add_node(engine, hold, "Hold")
    add_node(engine, burst, "Burst", output_node=True)
    with pytest.raises(OutOfMemory) as caught:
        engine.run(workflow(h=("Hold",), b=("Burst", {"value": ["h", 0]})), listeners=[hear])
    assert caught.value.node_id == "b"
    assert len(engine.cache) == 0
    assert engine.models.freed == 1  # type: ignore[attr-defined]
    gc.collect()
    assert [ref() for ref in kept] == [None, None]
    # Memory is free before anybody is told, so that the device's can be given back.
    assert alive_when_told == [0]
    assert engine.run(chain(3)).executed == ("0", "1", "2")


def out_of_memory(kind: str) -> Exception:
    import torch

    if kind == "cuda":
        return torch.cuda.OutOfMemoryError("CUDA out of memory")
    if kind == "host":
        return MemoryError()
    return RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory")


def test_cancel_stops_within_a_step_and_leaves_nothing_of_the_node(engine: Engine) -> None:
    halfway, cancel, told = threading.Event(), CancelToken(), threading.Event()
    events: list[Event] = []

    def slow(ctx: Context, *, value: int) -> int:
        for step in range(100):
            ctx.progress(step, 100)
            if step == 50:
                halfway.set()
                assert told.wait(60)
        return value

    slow.__annotations__ = {"value": int, "return": int}
    add_node(engine, slow, "Slow")
    flow = workflow(
        n=("Number", {"value": 1}), w=("Slow", {"value": ["n", 0]}), s=("Save", {"value": ["w", 0], "name": "x"})
    )

    def stop() -> None:
        halfway.wait(60)
        cancel.cancel()
        told.set()

    thread = threading.Thread(target=stop)
    thread.start()
    with pytest.raises(Cancelled):
        engine.run(flow, listeners=[events.append], cancel=cancel)
    thread.join()
    assert isinstance(events[-1], RunCancelled)
    assert events[-1].node_id == "w"
    assert [e.number for e in events] == list(range(1, len(events) + 1))
    assert [e.value for e in events if isinstance(e, NodeProgress)] == list(range(51))
    assert not engine.folders.output.exists()
    assert len(engine.cache) == 1  # the number


def test_cancelled_before_it_starts(engine: Engine) -> None:
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        engine.run(chain(3), cancel=cancel)
    assert len(engine.cache) == 0


def test_keyboard_interrupt_is_a_cancel(engine: Engine) -> None:
    def interrupt(ctx: Context) -> int:
        raise KeyboardInterrupt

    add_node(engine, interrupt, "Interrupt")
    events: list[Event] = []
    with pytest.raises(KeyboardInterrupt):
        engine.run(workflow(i=("Interrupt",), s=("Show", {"value": ["i", 0]})), listeners=[events.append])
    assert isinstance(events[-1], RunCancelled)
    assert len(engine.cache) == 0
    assert engine.run(chain(3)).executed == ("0", "1", "2")


def test_one_run_at_a_time(engine: Engine) -> None:
    running, most, lock = 0, 0, threading.Lock()

    def busy(ctx: Context, *, value: int) -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        threading.Event().wait(0.002)
        with lock:
            running -= 1
        return value

    busy.__annotations__ = {"value": int, "return": int}
    add_node(engine, busy, "Busy")
    logs: list[list[Event]] = []

    def run(value: int) -> None:
        events: list[Event] = []
        logs.append(events)
        nodes: dict[str, tuple[Any, ...]] = {f"n{i}": ("Busy", {"value": value * 10 + i}) for i in range(3)}
        nodes |= {f"s{i}": ("Show", {"value": [f"n{i}", 0]}) for i in range(3)}
        result = engine.run(workflow(**nodes), listeners=[events.append])
        assert [r.shown["text"] for r in result.outputs.values()] == [(str(value * 10 + i),) for i in range(3)]

    threads = [threading.Thread(target=run, args=(value,)) for value in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert len(logs) == 5
    for events in logs:
        assert [e.number for e in events] == list(range(1, len(events) + 1))
        assert isinstance(events[-1], RunFinished)
