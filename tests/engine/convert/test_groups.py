"""Group nodes, which older files have instead of subgraphs."""

from __future__ import annotations

from typing import Any

from engine.convert import convert
from tests.engine.convert.drawing import Drawing, classes

CLASSES = classes()
GROUP = {
    "nodes": [
        {"type": "Reroute", "inputs": [{"name": "", "type": "*"}], "outputs": [{"name": "", "type": "*"}]},
        {
            "type": "Encode",
            "inputs": [
                {"name": "clip", "type": "CLIP"},
                {"name": "text", "type": "STRING", "widget": {"name": "text"}},
            ],
            "outputs": [{"name": "C", "type": "CONDITIONING"}],
            "widgets_values": ["group text"],
        },
        {
            "type": "Sample",
            "inputs": [
                {"name": n, "type": t}
                for n, t in (("model", "MODEL"), ("positive", "CONDITIONING"), ("latent", "LATENT"))
            ],
            "outputs": [{"name": "LATENT", "type": "LATENT"}],
            "widgets_values": [1, "fixed", 20, 8.0, "euler", 1.0],
        },
    ],
    "links": [[0, 0, 1, 0, 5, "CLIP"], [1, 0, 2, 1, 6, "CONDITIONING"], [None, 0, 2, 0, 7, "MODEL"], "broken"],
    "external": [],
    "config": {"2": {"input": {"latent": {"visible": False}}}},
}


def converted(drawing: Drawing, **extra: Any) -> dict[str, Any]:
    return {i: node.inputs for i, node in convert(drawing.as_file(**extra), CLASSES).nodes.items()}


def group_host(*values: Any) -> Drawing:
    drawing = Drawing()
    drawing.add(1, "Load", "a", outputs="MODEL:MODEL CLIP:CLIP")
    drawing.add(37, "workflow>Two steps", *values, inputs="clip:CLIP model:MODEL", outputs="LATENT:LATENT")
    drawing.add(5, "Save", "x", 80, inputs="samples:LATENT")
    drawing.link(1, 1, 37, "clip")
    drawing.link(1, 0, 37, "model")
    drawing.link(37, 0, 5, "samples")
    return drawing


def test_group_nodes_are_expanded_with_their_shares_of_the_values() -> None:
    values = ("new text", 5, "randomize", 30, 4.0, "heun", 0.5)
    inputs = converted(group_host(*values), groupNodes={"Two steps": GROUP})

    assert list(inputs) == ["1", "37:1", "37:2", "5"]
    assert inputs["37:1"] == {"text": "new text", "clip": ["1", 1]}
    assert inputs["37:2"]["seed"] == 5
    assert inputs["37:2"]["denoise"] == 0.5
    assert inputs["37:2"]["model"] == ["1", 0]
    assert inputs["37:2"]["positive"] == ["37:1", 0]
    assert inputs["5"]["samples"] == ["37:2", 0]


def test_a_group_node_keeps_the_definitions_values_if_its_own_cannot_be_shared_out() -> None:
    assert converted(group_host("new text"), groupNodes={"Two steps": GROUP})["37:1"]["text"] == "group text"


def test_a_group_node_that_does_not_fit_its_definition_stays_whole() -> None:
    drawing = group_host()
    drawing.nodes[1]["inputs"].append({"name": "more", "type": "VAE", "link": None})
    assert "37" in converted(drawing, groupNodes={"Two steps": GROUP})
    assert "37" in converted(group_host())
