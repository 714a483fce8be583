"""Outputs over the same network are made one after another, whatever order they stand in."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.engine import Engine
from engine.events import Event, NodeStarted
from engine.workflow import NodeDocument, Workflow
from tests.engine.toys import toy_engine


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    engine = toy_engine(tmp_path)
    for name in "abc":
        (tmp_path / "checkpoints" / f"{name}.safetensors").write_text(name)
    return engine


def outputs_over(*files: str) -> Workflow:
    """An output for each text: its letters are the files that it reads, ``-`` is none."""
    nodes = {name: NodeDocument(class_type="LoadFile", inputs={"name": f"{name}.safetensors"}) for name in "abc"}
    nodes["-"] = NodeDocument(class_type="Number", inputs={"value": 1})
    for number, letters in enumerate(files):
        links = {f"in{i}": [letter, 0] for i, letter in enumerate(letters)}
        nodes[f"{number}"] = NodeDocument(class_type="AnyInputs", inputs=links | {"number": number})
        nodes[f"out{number}"] = NodeDocument(class_type="Show", inputs={"value": [f"{number}", 0]})
    return Workflow(nodes=nodes)


def order(engine: Engine, flow: Workflow) -> str:
    """The numbers of the outputs in the order in which they were made."""
    started: list[str] = []

    def note(event: Event) -> None:
        if isinstance(event, NodeStarted) and event.node_id.startswith("out"):
            started.append(event.node_id.removeprefix("out"))

    result = engine.run(flow, listeners=[note])
    assert list(result.outputs) == [node_id for node_id in flow.nodes if node_id.startswith("out")]
    return "".join(started)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (("a", "b", "a", "b"), "0213"),
        (("a", "b", "c", "b", "a"), "04132"),
        (("a", "ab", "a", "b", "ab"), "02143"),
        (("a", "-", "b", "a"), "0312"),
        (("a", "a", "a"), "012"),
        (("-", "-", "-"), "012"),
        (("b", "a"), "01"),
    ],
)
def test_outputs_are_made_network_by_network(engine: Engine, files: tuple[str, ...], expected: str) -> None:
    assert order(engine, outputs_over(*files)) == expected
