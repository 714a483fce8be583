"""Runs: what is re-run and what is not, lists, lazy inputs, blocked outputs, chosen outputs, failures, cancelling."""

from __future__ import annotations

import gc
import threading
import weakref
from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Any

import pytest

from engine.context import CancelToken, Context
from engine.engine import Engine
from engine.errors import Cancelled, GraphInvalid, InputInvalid, NodeFailed, OutOfMemory
from engine.events import (
    Event,
    EventLog,
    NodeBlocked,
    NodeFinished,
    NodeProgress,
    NodeStarted,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunStarted,
)
from engine.inputs import Anything, Int
from engine.registry import Registry
from engine.schema import NodeSpec
from engine.workflow import NodeDocument, Workflow
from tests.engine.toys import chain, recording_log, toy_engine, workflow


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return toy_engine(tmp_path)


def add_node(engine: Engine, function: Any, name: str, **options: Any) -> None:
    assert isinstance(engine.registry, Registry)
    engine.registry.add(NodeSpec(name=name, run=function, category="test", **options))


def text(engine: Engine, flow: Workflow, node_id: str = "s") -> str:
    return str(engine.run(flow).outputs[node_id].shown["text"][0])


def picture_flow(seed: int = 1, prompt: str = "a cat") -> Workflow:
    """The shape of a text-to-image workflow."""
    return workflow(
        model=("Number", {"value": 7}), positive=("AnyInputs", {"model": ["model", 0], "text": prompt}),
        negative=("AnyInputs", {"model": ["model", 0], "text": "bad"}),
        sample=("AnyInputs", {"m": ["model", 0], "p": ["positive", 0], "n": ["negative", 0], "seed": seed}),
        decode=("AnyInputs", {"latent": ["sample", 0], "m": ["model", 0]}),
        save=("Save", {"value": ["decode", 0], "name": "x"}),
    )  # fmt: skip


# --- what runs ---------------------------------------------------------------------------------------------------


def test_only_what_reads_a_change_runs_again(engine: Engine) -> None:
    assert len(engine.run(picture_flow()).executed) == 6
    assert engine.run(picture_flow(seed=2)).executed == ("sample", "decode", "save")
    assert engine.run(picture_flow(seed=2, prompt="a dog")).executed == ("positive", "sample", "decode", "save")
    # Back to what ran before: nothing runs, but the file that the last run replaced is reported as it was.
    assert engine.run(picture_flow()).executed == ()


def test_the_same_again_runs_nothing_and_gives_the_same_outputs_marked_cached(engine: Engine) -> None:
    first, second = engine.run(picture_flow()), engine.run(picture_flow())
    assert second.executed == ()
    assert [o.cached for o in first.outputs.values()] == [False]
    assert [o.cached for o in second.outputs.values()] == [True]
    assert {i: o.shown for i, o in first.outputs.items()} == {i: o.shown for i, o in second.outputs.items()}
    assert list(first.outputs) == list(second.outputs) == ["save"]


def test_a_vanished_output_file_makes_its_node_run_again(engine: Engine) -> None:
    engine.run(picture_flow())
    (engine.folders.output / "x.txt").unlink()
    again = engine.run(picture_flow())
    assert again.executed == ("save",)
    assert again.outputs["save"].cached is False
    assert (engine.folders.output / "x.txt").is_file()


def test_output_file_and_its_inputs_gone(tmp_path: Path) -> None:
    engine = toy_engine(tmp_path, cache_budget_bytes=1500)  # room for the last entry or two
    engine.run(picture_flow())
    (engine.folders.output / "x.txt").unlink()
    again = engine.run(picture_flow())
    assert again.executed[-1] == "save"
    assert (engine.folders.output / "x.txt").is_file()


def test_without_a_cache_everything_runs_every_time(tmp_path: Path) -> None:
    engine = toy_engine(tmp_path, cache_budget_bytes=0)
    assert engine.run(picture_flow()).executed == engine.run(picture_flow()).executed
    assert len(engine.cache) == 0


def test_a_replaced_file_is_noticed_and_a_touched_one_is_not(engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "checkpoints" / "m"
    file.write_text("one")
    flow = workflow(m=("LoadFile", {"name": "m"}), s=("Show", {"value": ["m", 0]}))
    assert text(engine, flow) == "one"
    file.touch()
    assert engine.run(flow).executed == ()
    file.write_text("two")
    assert text(engine, flow) == "two"


def test_never_cached_nodes_and_fingerprints(engine: Engine) -> None:
    def flow(class_type: str, **inputs: Any) -> Workflow:
        return workflow(
            a=(class_type, {"value": 1, **inputs}), n=("Number", {"value": 1}), s=("Show", {"value": ["a", 0]})
        )

    for once in (flow("Always"), flow("Stamp", mode="nan"), flow("Stamp", mode="raise")):
        assert engine.run(once).executed == engine.run(once).executed == ("a", "s")
        assert engine.run(once).outputs["s"].cached is False
    assert engine.run(flow("Stamp", mode="same")).executed == ("a", "s")
    assert engine.run(flow("Stamp", mode="same")).executed == ()


def test_equal_nodes_run_once(engine: Engine) -> None:
    flow = workflow(
        a=("Number", {"value": 1}), b=("Number", {"value": 1}), s=("Show", {"value": ["a", 0]}),
        t=("Show", {"value": ["b", 0]}),
    )  # fmt: skip
    result = engine.run(flow)
    assert result.executed == ("a", "s")
    assert result.outputs["t"].shown == result.outputs["s"].shown
    assert (result.outputs["s"].cached, result.outputs["t"].cached) == (False, True)


def test_chosen_outputs_only(engine: Engine) -> None:
    flow = workflow(
        a=("Number", {"value": 1}), b=("Number", {"value": 2}), s=("Show", {"value": ["a", 0]}),
        t=("Show", {"value": ["b", 0]}),
    )  # fmt: skip
    assert engine.run(flow, ["t"]).executed == ("b", "t")
    result = engine.run(flow, ["a"])
    assert result.outputs["a"].values == ((1,),)
    assert result.executed == ("a",)


def test_a_cached_value_does_not_depend_on_the_node_that_made_it(engine: Engine) -> None:
    engine.run(workflow(a=("Add", {"a": 1, "b": 2}), s=("Show", {"value": ["a", 0]})))
    other = workflow(z=("Add", {"b": 2, "a": "1"}), y=("Add", {"a": ["z", 0], "b": 1}), x=("Show", {"value": ["y", 0]}))
    assert engine.run(other).executed == ("y", "x")


def test_problems_are_raised_before_anything_runs(engine: Engine) -> None:
    log, events = recording_log()
    with pytest.raises(GraphInvalid) as caught:
        engine.run(workflow(a=("Number", {"value": "x"}), s=("Show", {"value": ["a", 0]}), t=("Show", {})), log=log)
    assert len(caught.value.problems) == 2
    assert events == []


def test_hidden_inputs_are_filled(engine: Engine) -> None:
    seen: dict[str, Any] = {}

    def look(ctx: Context) -> None:
        seen.update(prompt=ctx.prompt, extra=ctx.extra_pnginfo, node=(ctx.node_id, ctx.class_type))

    add_node(engine, look, "Look", output_node=True)
    nodes = {"5": NodeDocument(class_type="Look", inputs={}, title="Eyes")}
    engine.run(Workflow(nodes=nodes, extra_pnginfo={"workflow": {"nodes": []}}))
    assert seen == {
        "prompt": {"5": {"inputs": {}, "class_type": "Look", "_meta": {"title": "Eyes"}}},
        "extra": {"workflow": {"nodes": []}},
        "node": ("5", "Look"),
    }


def test_nothing_records_gradients(engine: Engine) -> None:
    import torch

    def grad(ctx: Context) -> bool:
        return torch.is_grad_enabled()

    add_node(engine, grad, "Grad")
    assert engine.run(workflow(g=("Grad",)), ["g"]).outputs["g"].values == ((False,),)
    assert torch.is_grad_enabled()


# --- lists, lazy inputs, blocked outputs ---------------------------------------------------------------------------


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
    log, events = recording_log()
    flow = workflow(
        g=("Gate", {"value": 1, "is_open": False, "why": "closed"}), a=("Add", {"a": ["g", 0], "b": 1}),
        s=("Show", {"value": ["a", 0]}), t=("Show", {"value": 5}),
        quiet=("Gate", {"value": 2, "is_open": False, "why": ""}), u=("Show", {"value": ["quiet", 0]}),
    )  # fmt: skip
    result = engine.run(flow, log=log)
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


# --- events --------------------------------------------------------------------------------------------------------


def test_events_are_numbered_without_gaps_and_tell_the_whole_story(engine: Engine) -> None:
    log, events = recording_log()
    flow = workflow(a=("Number", {"value": 1}), s=("Show", {"value": ["a", 0]}))
    engine.run(flow, log=log)
    assert [type(e) for e in events] == [RunStarted, NodeStarted, NodeFinished, NodeStarted, NodeFinished, RunFinished]
    assert [e.number for e in events] == list(range(1, 7))
    assert isinstance(events[0], RunStarted)
    assert (events[0].steps, events[0].cached) == (("a", "s"), ())
    assert isinstance(events[4], NodeFinished)
    assert (events[4].node_id, events[4].display_id, dict(events[4].shown)) == ("s", "s", {"text": ("1",)})

    log, events = recording_log()
    engine.run(flow, log=log)
    assert [type(e) for e in events] == [RunStarted, NodeFinished, RunFinished]
    assert isinstance(events[0], RunStarted)
    assert (events[0].steps, events[0].cached) == ((), ("a", "s"))
    assert isinstance(events[1], NodeFinished)
    assert events[1].cached
    assert dict(events[1].shown) == {"text": ("1",)}
    assert [e.number for e in events] == [1, 2, 3]


# --- failures ------------------------------------------------------------------------------------------------------


def test_a_failing_node_is_named_with_its_inputs(engine: Engine) -> None:
    log, events = recording_log()
    flow = workflow(
        n=("Number", {"value": 3}),
        f=("Fail", {"value": ["n", 0], "kind": "ValueError"}),
        s=("Show", {"value": ["f", 0]}),
    )
    with pytest.raises(NodeFailed) as caught:
        engine.run(flow, log=log)
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

    hold.__annotations__["return"] = Anything
    burst.__annotations__ = {"value": Anything, "return": int}
    add_node(engine, hold, "Hold")
    add_node(engine, burst, "Burst", output_node=True)
    with pytest.raises(OutOfMemory) as caught:
        engine.run(workflow(h=("Hold",), b=("Burst", {"value": ["h", 0]})))
    assert caught.value.node_id == "b"
    assert len(engine.cache) == 0
    gc.collect()
    assert [ref() for ref in kept] == [None, None]
    assert engine.run(chain(3)).executed == ("0", "1", "2")


def out_of_memory(kind: str) -> Exception:
    import torch

    if kind == "cuda":
        return torch.cuda.OutOfMemoryError("CUDA out of memory")
    if kind == "host":
        return MemoryError()
    return RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory")


# --- cancelling ----------------------------------------------------------------------------------------------------


def slow_engine(engine: Engine, started: threading.Event) -> Engine:
    def slow(ctx: Context, *, value: int) -> int:
        for step in range(100_000):
            started.set()
            ctx.progress(step, 100_000)
        return value

    slow.__annotations__ = {"value": int, "return": int}
    add_node(engine, slow, "Slow")
    return engine


def test_cancel_stops_within_a_step_and_leaves_nothing_of_the_node(engine: Engine) -> None:
    started, cancel = threading.Event(), CancelToken()
    log, events = recording_log()
    slow_engine(engine, started)
    flow = workflow(
        n=("Number", {"value": 1}), w=("Slow", {"value": ["n", 0]}), s=("Save", {"value": ["w", 0], "name": "x"})
    )

    def stop() -> None:
        started.wait(10)
        cancel.cancel()

    thread = threading.Thread(target=stop)
    thread.start()
    with pytest.raises(Cancelled):
        engine.run(flow, log=log, cancel=cancel)
    thread.join()
    assert isinstance(events[-1], RunCancelled)
    assert events[-1].node_id == "w"
    assert [e.number for e in events] == list(range(1, len(events) + 1))
    assert sum(isinstance(e, NodeProgress) for e in events) < 100_000
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
    log, events = recording_log()
    with pytest.raises(KeyboardInterrupt):
        engine.run(workflow(i=("Interrupt",), s=("Show", {"value": ["i", 0]})), log=log)
    assert isinstance(events[-1], RunCancelled)
    assert len(engine.cache) == 0
    assert engine.run(chain(3)).executed == ("0", "1", "2")


# --- several runs at once ----------------------------------------------------------------------------------------


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
        log, events = recording_log()
        logs.append(events)
        nodes: dict[str, tuple[Any, ...]] = {f"n{i}": ("Busy", {"value": value * 10 + i}) for i in range(3)}
        nodes |= {f"s{i}": ("Show", {"value": [f"n{i}", 0]}) for i in range(3)}
        result = engine.run(workflow(**nodes), log=log)
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


# --- memory --------------------------------------------------------------------------------------------------------


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

    def use(ctx: Context, *, value: Any) -> int:
        return 1

    def count(ctx: Context, *, value: int) -> None:
        nonlocal count_after
        count_after = len(alive)

    make.__annotations__["return"] = Anything
    use.__annotations__ = {"value": Anything, "return": int}
    count.__annotations__ = {"value": int, "return": None}
    for function, name in ((make, "Make"), (use, "Use")):
        add_node(engine, function, name)
    add_node(engine, count, "Count", output_node=True)
    flow = workflow(
        m=("Make",), y=("Use", {"value": ["m", 0]}), y2=("Add", {"a": ["y", 0], "b": 1}),
        n=("Use", {"value": ["m", 0]}),
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
    engine.run(chain(3), log=EventLog(heard.append, heard.append))
    assert len(heard) == 2 * 8
