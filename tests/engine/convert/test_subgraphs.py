"""Subgraphs: ids, links in and out, nesting, promoted widgets in all their forms, modes."""

from __future__ import annotations

from typing import Any

import pytest

from engine.convert import convert
from engine.errors import WorkflowUnreadable
from tests.engine.convert.drawing import Drawing, classes

CLASSES = classes()


def inside() -> Drawing:
    """Encode and Sample with model, clip and latent from outside, text and seed promoted."""
    drawing = Drawing(objects=True).ports(
        inputs="model:MODEL clip:CLIP latent:LATENT text:STRING seed:INT", outputs="LATENT:LATENT"
    )
    drawing.add(8, "Encode", "inner text", inputs="clip:CLIP text:STRING!", outputs="C:CONDITIONING")
    drawing.add(
        9,
        "Sample",
        *(7, "randomize", 20, 8.0, "euler", 1.0),
        inputs="model:MODEL positive:CONDITIONING latent:LATENT seed:INT!",
        outputs="LATENT:LATENT",
    )
    drawing.link(-10, 0, 9, "model")
    drawing.link(-10, 1, 8, "clip")
    drawing.link(-10, 2, 9, "latent")
    drawing.link(-10, 3, 8, "text")
    drawing.link(-10, 4, 9, "seed")
    drawing.link(8, 0, 9, "positive")
    drawing.link(9, 0, -20, "LATENT")
    return drawing


def outside(*values: Any, ids: tuple[int, ...] = (57,), **more: Any) -> Drawing:
    """Instances of subgraph ``sub`` between Load and Save."""
    drawing = Drawing()
    drawing.add(1, "Load", "a", outputs="MODEL:MODEL CLIP:CLIP")
    drawing.add(3, "Empty", 64, 32, outputs="LATENT:LATENT")
    for host in ids:
        # Widget inputs that nothing is linked to are left out of files; the rest may come in another order.
        drawing.add(host, "sub", *values, inputs="clip:CLIP model:MODEL latent:LATENT", outputs="LATENT:LATENT", **more)
        drawing.link(1, 1, host, "clip")
        drawing.link(1, 0, host, "model")
        drawing.link(3, 0, host, "latent")
        drawing.add(host + 1000, "Save", "x", 80, inputs="samples:LATENT")
        drawing.link(host, 0, host + 1000, "samples")
    return drawing


def converted(drawing: Drawing, *subgraphs: dict[str, Any], **extra: Any) -> dict[str, Any]:
    return {i: node.inputs for i, node in convert(drawing.as_file(*subgraphs, **extra), CLASSES).nodes.items()}


def test_inner_nodes_get_ids_with_the_hosts_before_them() -> None:
    inputs = converted(outside(), inside().as_subgraph("sub"))

    assert list(inputs) == ["1", "3", "57:8", "57:9", "1057"]
    assert inputs["57:8"] == {"text": "inner text", "clip": ["1", 1]}
    assert inputs["57:9"]["model"] == ["1", 0]
    assert inputs["57:9"]["latent"] == ["3", 0]
    assert inputs["57:9"]["positive"] == ["57:8", 0]
    assert inputs["57:9"]["seed"] == 7
    assert inputs["1057"]["samples"] == ["57:9", 0]


def test_every_instance_is_expanded_on_its_own() -> None:
    inputs = converted(outside(ids=(57, 58)), inside().as_subgraph("sub"))

    assert inputs["1057"]["samples"] == ["57:9", 0]
    assert inputs["1058"]["samples"] == ["58:9", 0]
    assert inputs["58:9"]["positive"] == ["58:8", 0]


@pytest.mark.parametrize(
    "host",
    [
        {"values": ("outer text", 99)},
        {"values": ("outer text", 99, "randomize")},
        {"values": ("outer text", 99), "widgets_values_named": {"text": "outer text", "seed": 99}},
        {"values": ("outer text", 99), "properties": {"proxyWidgets": [["-1", "text"], ["-1", "seed"]]}},
        {"values": ("outer text", 99), "properties": {"proxyWidgets": [["8", "text"], ["9", "seed"]]}},
        {
            "values": (99, None, "outer text"),
            "properties": {"proxyWidgets": [["9", "seed"], ["9", "control_after_generate"], [8, "text"]]},
        },
    ],
    ids=["values", "with a control value", "named", "proxies of inputs", "proxies of widgets", "mixed proxies"],
)
def test_promoted_values_of_the_host_hold(host: dict[str, Any]) -> None:
    more = {key: value for key, value in host.items() if key != "values"}
    inputs = converted(outside(*host["values"], **more), inside().as_subgraph("sub"))

    assert inputs["57:8"]["text"] == "outer text"
    assert inputs["57:9"]["seed"] == 99


def test_proxies_without_values_leave_the_inner_ones() -> None:
    more = {"properties": {"proxyWidgets": [["-1", "text"], ["9", "seed"], ["9", "steps"], "broken"]}}
    inputs = converted(outside(**more), inside().as_subgraph("sub"))

    assert inputs["57:8"]["text"] == "inner text"
    assert inputs["57:9"]["seed"] == 7


def test_a_proxy_may_promote_a_widget_that_no_input_leads_to() -> None:
    more = {"properties": {"proxyWidgets": [["9", "steps"]]}}
    inputs = converted(outside(44, **more), inside().as_subgraph("sub"))

    assert inputs["57:9"]["steps"] == 44


def test_a_link_into_a_promoted_widget_beats_its_value() -> None:
    drawing = outside("outer text", 99)
    drawing.nodes[2]["inputs"].append({"name": "seed", "type": "INT", "widget": {"name": "seed"}, "link": None})
    drawing.add(6, "PrimitiveNode", 5, "fixed", outputs="INT:INT")
    drawing.link(6, 0, 57, "seed")

    assert converted(drawing, inside().as_subgraph("sub"))["57:9"]["seed"] == 5


def test_one_promoted_input_may_feed_several_widgets() -> None:
    drawing = inside()
    drawing.add(10, "Empty", 1, 2, inputs="width:INT!", outputs="LATENT:LATENT")
    drawing.link(-10, 4, 10, "width")

    inputs = converted(outside("t", 99), drawing.as_subgraph("sub"))
    assert inputs["57:10"] == {"width": 99, "height": 2}
    inputs = converted(outside(), drawing.as_subgraph("sub"))
    assert inputs["57:10"] == {"width": 7, "height": 2}, "the first widget's value holds for all"


@pytest.mark.parametrize(("choice", "index"), [("b", 1), ("c", 2), ("zzz", -1)])
def test_the_index_of_a_promoted_choice_is_counted_anew(choice: str, index: int) -> None:
    drawing = inside()
    drawing.inputs.append({"name": "style", "type": "COMBO", "linkIds": []})
    drawing.add(10, "CustomCombo", "b", 1, "a", "b", "c", "", inputs="choice:COMBO! index:INT!")
    drawing.link(-10, 5, 10, "choice")

    inputs = converted(outside("t", 99, choice), drawing.as_subgraph("sub"))
    assert (inputs["57:10"]["choice"], inputs["57:10"]["index"]) == (choice, index)
    assert [inputs["57:10"][f"option{number}"] for number in (1, 2, 3, 4)] == ["a", "b", "c", ""]


@pytest.mark.parametrize("promoted", [True, False])
def test_alternatives_are_not_picked_in_promoted_texts(promoted: bool) -> None:
    """Neither in the host's value nor in the inner widget's behind its port: JSON keeps its braces."""
    drawing = inside()
    drawing.nodes[0]["widgets_values"] = ['{"a": 1} // x']
    host = outside(*(['{"b": 2} // y'] if promoted else []))
    assert converted(host, drawing.as_subgraph("sub"))["57:8"]["text"] == (
        '{"b": 2} // y' if promoted else '{"a": 1} // x'
    )
    proxies = outside('{"c": 3}', properties={"proxyWidgets": [["8", "text"]]})
    drawing.nodes[0]["inputs"] = drawing.nodes[0]["inputs"][:1]
    assert converted(proxies, drawing.as_subgraph("sub"))["57:8"]["text"] == '{"c": 3}'


def test_alternatives_are_picked_in_a_text_inside_that_nothing_promotes() -> None:
    drawing = inside()
    drawing.add(12, "Encode", "{x} // y", inputs="clip:CLIP", outputs="C:CONDITIONING")
    assert converted(outside("t", 1), drawing.as_subgraph("sub"))["57:12"]["text"] == "x "


@pytest.mark.parametrize(("values", "seed"), [(("t", 99), 99), ((), 7)])
def test_a_promoted_widget_keeps_its_value_where_the_link_ends_at_a_muted_node(values: Any, seed: int) -> None:
    drawing = outside(*values)
    drawing.nodes[2]["inputs"].append({"name": "seed", "type": "INT", "link": None})
    drawing.add(6, "Number", 5, outputs="INT:INT", mode=2)
    drawing.link(6, 0, 57, "seed")
    assert converted(drawing, inside().as_subgraph("sub"))["57:9"]["seed"] == seed


def nested() -> tuple[dict[str, Any], ...]:
    """``outer`` holds node 20, an instance of ``sub``, and promotes its text once more under another name."""
    drawing = Drawing(objects=True).ports(
        inputs="model:MODEL clip:CLIP latent:LATENT words:STRING", outputs="LATENT:LATENT"
    )
    drawing.add(
        20, "sub", "middle text", 50, inputs="model:MODEL clip:CLIP latent:LATENT text:STRING!", outputs="L:LATENT"
    )
    for slot, name in enumerate(("model", "clip", "latent", "text")):
        drawing.link(-10, slot, 20, name)
    drawing.link(20, 0, -20, "LATENT")
    return inside().as_subgraph("sub"), drawing.as_subgraph("outer")


def host_of_nested(*values: Any, **more: Any) -> Drawing:
    drawing = outside(*values, **more)
    drawing.nodes[2]["type"] = "outer"
    return drawing


def test_nested_subgraphs_are_expanded() -> None:
    inputs = converted(host_of_nested(), *nested())

    assert inputs["57:20:9"]["model"] == ["1", 0]
    assert inputs["57:20:9"]["positive"] == ["57:20:8", 0]
    assert inputs["57:20:9"]["seed"] == 50
    assert inputs["57:20:8"] == {"text": "middle text", "clip": ["1", 1]}
    assert inputs["1057"]["samples"] == ["57:20:9", 0]


@pytest.mark.parametrize(
    "more",
    [{}, {"properties": {"proxyWidgets": [["20", "text"]]}}, {"properties": {"proxyWidgets": [["-1", "words"]]}}],
)
def test_a_value_promoted_twice_reaches_the_innermost_widget(more: dict[str, Any]) -> None:
    assert converted(host_of_nested("outermost", **more), *nested())["57:20:8"]["text"] == "outermost"


def test_a_proxy_may_promote_a_nested_instances_widget_that_is_not_linked() -> None:
    more = {"properties": {"proxyWidgets": [["20", "seed"]]}}
    assert converted(host_of_nested(77, **more), *nested())["57:20:9"]["seed"] == 77


def test_an_input_that_leads_straight_to_an_output_passes_through() -> None:
    drawing = Drawing(objects=True).ports(inputs="a:LATENT", outputs="b:LATENT")
    link = drawing.link
    drawing.outputs[0]["linkIds"] = []
    link(-10, 0, -20, "b")
    top = Drawing()
    top.add(3, "Empty", outputs="LATENT:LATENT")
    top.add(4, "pass", inputs="a:LATENT", outputs="b:LATENT")
    top.add(5, "Save", inputs="samples:LATENT")
    top.link(3, 0, 4, "a")
    top.link(4, 0, 5, "samples")

    assert converted(top, drawing.as_subgraph("pass"))["5"]["samples"] == ["3", 0]


def test_a_bypassed_instance_runs_nothing_inside_and_passes_on() -> None:
    inputs = converted(outside(mode=4), inside().as_subgraph("sub"))

    assert list(inputs) == ["1", "3", "1057"]
    assert inputs["1057"]["samples"] == ["3", 0]


def test_a_muted_instance_runs_nothing_inside() -> None:
    inputs = converted(outside(mode=2), inside().as_subgraph("sub"))

    assert list(inputs) == ["1", "3", "1057"]
    assert "samples" not in inputs["1057"]


def test_variables_are_found_in_the_graph_around() -> None:
    drawing = inside()
    drawing.add(11, "GetNode", "v", outputs="MODEL:MODEL")
    drawing.link(11, 0, 9, "model")
    top = outside()
    top.add(12, "SetNode", "v", inputs="MODEL:MODEL", outputs="*:*")
    top.link(1, 0, 12, "MODEL")

    assert converted(top, drawing.as_subgraph("sub"))["57:9"]["model"] == ["1", 0]


def test_a_subgraph_that_contains_itself_is_refused() -> None:
    drawing = inside()
    drawing.add(30, "sub", outputs="LATENT:LATENT")
    with pytest.raises(WorkflowUnreadable, match="node 57:30: subgraph 'sub' contains itself"):
        converted(outside(), drawing.as_subgraph("sub"))


def chain_of_subgraphs(depth: int, copies: int) -> list[dict[str, Any]]:
    definitions = []
    for level in range(depth):
        drawing = Drawing(objects=True)
        for copy in range(copies):
            drawing.add(copy, f"level{level + 1}" if level + 1 < depth else "Empty", outputs="L:LATENT")
        definitions.append(drawing.as_subgraph(f"level{level}"))
    return definitions


def test_subgraphs_that_multiply_are_refused_before_they_fill_memory() -> None:
    top = Drawing()
    top.add(1, "level0", outputs="L:LATENT")
    with pytest.raises(WorkflowUnreadable, match="more than 500,000 nodes"):
        converted(top, *chain_of_subgraphs(depth=40, copies=1000))


def test_subgraphs_are_refused_beyond_the_depth_limit() -> None:
    top = Drawing()
    top.add(1, "level0", outputs="L:LATENT")
    assert len(converted(top, *chain_of_subgraphs(depth=60, copies=1))) == 1
    with pytest.raises(WorkflowUnreadable, match="nested more than 64 deep"):
        converted(top, *chain_of_subgraphs(depth=70, copies=1))


def test_an_instance_without_a_definition_stays_as_an_unknown_class() -> None:
    conversion = convert(outside().as_file(), CLASSES)
    assert conversion.nodes["57"].class_type == "sub"


def test_definitions_inside_definitions_are_found() -> None:
    inner, outer = nested()
    file = host_of_nested().as_file({**outer, "definitions": {"subgraphs": [inner]}})
    assert "57:20:9" in convert(file, CLASSES).nodes
