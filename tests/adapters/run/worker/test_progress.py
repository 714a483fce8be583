"""How far a run is said to be."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.run.worker.progress import ClassSeconds, JobProgress
from engine.events import NodeFinished, NodeProgress, NodeStarted, RunStarted


def started(node_id: str, class_type: str) -> NodeStarted:
    return NodeStarted(node_id=node_id, class_type=class_type, display_id=node_id)


def finished(node_id: str, class_type: str, seconds: float, *, cached: bool = False) -> NodeFinished:
    return NodeFinished(node_id=node_id, class_type=class_type, seconds=seconds, cached=cached)


def test_before_anything_is_known_steps_count_alike() -> None:
    progress = JobProgress({"1": "A", "2": "B"}, ClassSeconds())
    progress(RunStarted(steps=("1", "2"), cached=()))
    assert progress.snapshot()["eta_s"] is None
    progress(started("1", "A"))
    progress(finished("1", "A", 0.0))
    shot = progress.snapshot()
    assert (shot["done"], shot["total"], shot["node_id"]) == (1, 2, None)


def test_steps_weigh_what_their_classes_took_before() -> None:
    seconds = ClassSeconds()
    seconds.add("Long", 9.0)
    seconds.add("Short", 1.0)
    progress = JobProgress({"1": "Short", "2": "Long"}, seconds)
    progress(RunStarted(steps=("1", "2"), cached=()))
    assert progress.snapshot()["eta_s"] == 10.0
    progress(started("1", "Short"))
    progress(finished("1", "Short", 1.0))
    shot = progress.snapshot()
    assert (shot["fraction"], shot["eta_s"]) == (0.1, 9.0)


def test_a_node_that_reports_its_steps_is_extrapolated(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 100.0
    monkeypatch.setattr("adapters.run.worker.progress.time", SimpleNamespace(monotonic=lambda: now_s))
    progress = JobProgress({"1": "Sampler"}, ClassSeconds())
    progress(RunStarted(steps=("1",), cached=()))
    progress(started("1", "Sampler"))
    now_s += 0.2
    progress(NodeProgress(node_id="1", value=1, total=4))
    shot = progress.snapshot()
    assert (shot["value"], shot["max"], shot["class_type"]) == (1, 4, "Sampler")
    assert shot["fraction"] == 0.25
    assert shot["eta_s"] == pytest.approx(0.6)  # three times what the first step took


def test_nodes_of_an_expansion_count_once_they_start() -> None:
    progress = JobProgress({"1": "Loop"}, ClassSeconds())
    progress(RunStarted(steps=("1",), cached=()))
    progress(started("1", "Loop"))
    progress(started("1.a", "Inner"))
    assert progress.snapshot()["total"] == 2


def test_cached_nodes_are_no_steps() -> None:
    progress = JobProgress({"1": "A"}, ClassSeconds())
    progress(RunStarted(steps=(), cached=("1",)))
    progress(finished("1", "A", 0.0, cached=True))
    shot = progress.snapshot()
    assert (shot["done"], shot["total"]) == (0, 0)


@given(st.lists(st.tuples(st.floats(0, 100), st.lists(st.integers(0, 10), max_size=5)), min_size=1, max_size=8))
def test_the_fraction_stays_in_its_bounds_and_never_falls(nodes: list[tuple[float, list[int]]]) -> None:
    seconds = ClassSeconds()
    seconds.add("C0", 3.0)
    progress = JobProgress({str(i): f"C{i % 3}" for i in range(len(nodes))}, seconds)
    progress(RunStarted(steps=tuple(map(str, range(len(nodes)))), cached=()))
    fractions = [progress.snapshot()["fraction"]]
    for i, (took_s, values) in enumerate(nodes):
        progress(started(str(i), f"C{i % 3}"))
        for value in values:
            progress(NodeProgress(node_id=str(i), value=value, total=10))
            fractions.append(progress.snapshot()["fraction"])
        progress(finished(str(i), f"C{i % 3}", took_s))
        fractions.append(progress.snapshot()["fraction"])
    assert fractions == sorted(fractions)
    assert all(0.0 <= fraction <= 1.0 for fraction in fractions)
