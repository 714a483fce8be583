"""Whatever happens to a file, reading it gives a workflow or one clear error."""

from __future__ import annotations

import contextlib
import copy
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.document import read_workflow
from engine.errors import GraphInvalid, WorkflowUnreadable
from tests.engine.convert.drawing import classes, text_to_latent

CLASSES = classes()
API: dict[str, Any] = {
    "1": {"class_type": "Empty", "inputs": {"width": 64, "height": 32}},
    "2": {"class_type": "Save", "inputs": {"samples": ["1", 0], "filename_prefix": "x"}},
}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def _places(tree: Any) -> list[tuple[Any, Any]]:
    found, waiting = [], [tree]
    while waiting:
        value = waiting.pop()
        keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
        found += [(value, key) for key in keys]
        waiting += [value[key] for key in keys]
    return found


def _rich_file() -> dict[str, Any]:
    """A file with a bit of everything."""
    drawing = text_to_latent()
    drawing.add(
        6, "sub", 5, inputs="a:LATENT n:INT!", outputs="b:LATENT", properties={"proxyWidgets": [["7", "width"]]}
    )
    drawing.add(7, "workflow>G", 1, 2, inputs="", outputs="L:LATENT")
    drawing.add(8, "GetNode", "v", outputs="*:*")
    drawing.add(9, "SetNode", "v", inputs="*:*", outputs="*:*")
    drawing.add(10, "PrimitiveNode", 3, "fixed", outputs="INT:INT")
    drawing.add(11, "Tune", 1.0, inputs="model:MODEL", outputs="MODEL:MODEL", mode=4)
    drawing.link(3, 0, 6, "a")
    drawing.link(10, 0, 6, "n")
    drawing.link(1, 0, 9, "*")
    drawing.link(8, 0, 11, "model")
    drawing.link(11, 0, 4, "model")
    inner = text_to_latent().ports(inputs="a:LATENT n:INT", outputs="b:LATENT")
    inner.add(7, "Empty", 1, 2, inputs="width:INT!", outputs="L:LATENT", widgets_values_named={"width": 1, "height": 2})
    inner.link(-10, 1, 7, "width")
    inner.link(7, 0, -20, "b")
    group = {"nodes": [{"type": "Empty", "outputs": [{"name": "L", "type": "LATENT"}], "widgets_values": [1, 2]}]}
    links = [{"downstream": 2, "downstream_slot": 0, "upstream": "1", "upstream_slot": 1, "type": "CLIP"}]
    return drawing.as_file(inner.as_subgraph("sub"), groupNodes={"G": {**group, "links": []}}, ue_links=links)


RICH = _rich_file()


def test_the_file_that_is_mutated_is_sound() -> None:
    nodes = read_workflow(RICH, CLASSES).nodes
    assert nodes["4"].inputs["model"] == ["1", 0]
    assert nodes["6:7"].inputs == {"width": 3, "height": 2}
    assert nodes["7:0"].inputs == {"width": 1, "height": 2}


@settings(max_examples=300, deadline=None)
@given(st.data(), st.sampled_from([RICH, API, {"input": {"workflow": API}}]))
def test_a_mutated_workflow_is_read_or_refused_but_never_a_crash(data: st.DataObject, original: dict[str, Any]) -> None:
    mutated = copy.deepcopy(original)
    for _ in range(data.draw(st.integers(1, 4))):
        places = _places(mutated)
        container, key = places[data.draw(st.integers(0, len(places) - 1))]
        action = data.draw(st.sampled_from(["replace", "remove", "swap"]))
        if action == "replace":
            container[key] = data.draw(ANYTHING)
        elif action == "remove":
            del container[key]
        else:
            other, at = places[data.draw(st.integers(0, len(places) - 1))]
            container[key] = copy.deepcopy(other[at])
        if not mutated:
            break
    try:
        workflow = read_workflow(mutated, CLASSES)
    except (WorkflowUnreadable, GraphInvalid):
        return
    json.dumps(workflow.as_prompt(), allow_nan=False)
    json.dumps(workflow.extra_pnginfo, allow_nan=False)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10_000), st.binary(max_size=3), st.integers(0, 3))
def test_mutated_bytes_are_read_or_refused(at: int, put: bytes, cut: int) -> None:
    data = json.dumps(RICH).encode()
    at %= len(data)
    with contextlib.suppress(WorkflowUnreadable, GraphInvalid):
        read_workflow(data[:at] + put + data[at + cut :], CLASSES)
