"""Ordinary graphs: nodes, links, modes, reroutes, primitives, variables, broadcasts."""

from __future__ import annotations

from typing import Annotated, Any

import pytest

from engine.context import Context
from engine.convert import convert
from engine.errors import WorkflowUnreadable
from engine.inputs import Edited, Float
from engine.registry import node
from tests.engine.convert.drawing import Drawing, classes, text_to_latent

CLASSES = classes()


def converted(file: dict[str, Any]) -> dict[str, Any]:
    return {node_id: node.inputs for node_id, node in convert(file, CLASSES).nodes.items()}


@pytest.mark.parametrize("objects", [False, True], ids=["version 0.4", "version 1.0"])
def test_a_plain_graph_is_what_the_front_end_submits(objects: bool) -> None:
    conversion = convert(text_to_latent(objects=objects).as_file(), CLASSES)

    assert conversion.notes == ()
    assert {i: n.class_type for i, n in conversion.nodes.items()} == {
        "1": "Load",
        "2": "Encode",
        "3": "Empty",
        "4": "Sample",
        "5": "Save",
    }
    assert conversion.nodes["1"].inputs == {"ckpt_name": "a.safetensors"}
    assert conversion.nodes["2"].inputs == {"text": "a cat", "clip": ["1", 1]}
    assert conversion.nodes["3"].inputs == {"width": 64, "height": 32}
    assert conversion.nodes["4"].inputs == {
        "seed": 7,
        "steps": 20,
        "cfg": 8.0,
        "sampler_name": "euler",
        "denoise": 1.0,
        "model": ["1", 0],
        "positive": ["2", 0],
        "latent": ["3", 0],
    }
    assert conversion.nodes["5"].inputs == {"filename_prefix": "cats", "quality": 80, "samples": ["4", 0]}


def test_titles_are_the_nodes_own_or_the_classes() -> None:
    drawing = text_to_latent()
    drawing.add(6, "Encode", "a dog", inputs="clip:CLIP", outputs="C:CONDITIONING")
    nodes = convert(drawing.as_file(), CLASSES).nodes

    assert nodes["2"].title == "Positive"
    assert nodes["6"].title == "Encode text"
    assert nodes["3"].title == "Empty"


def test_notes_and_labels_are_dropped() -> None:
    drawing = text_to_latent()
    drawing.add(6, "Note", "remember")
    drawing.add(7, "MarkdownNote", "# remember")
    drawing.add(8, "Label (rgthree)")
    drawing.add(9, "FancyButton")
    conversion = convert(drawing.as_file(), CLASSES)

    assert list(conversion.nodes) == ["1", "2", "3", "4", "5"]
    (note,) = conversion.notes
    assert (note.kind, note.node_id, note.class_type) == ("dropped", "9", "FancyButton")


def test_links_pass_through_chains_of_reroutes() -> None:
    drawing = text_to_latent()
    drawing.nodes[1]["inputs"][0]["link"] = None
    drawing.add(6, "Reroute", inputs=":*", outputs=":CLIP")
    drawing.add(7, "Reroute (rgthree)", inputs=":*", outputs=":CLIP")
    drawing.link(1, 1, 6, "")
    drawing.link(6, 0, 7, "")
    drawing.link(7, 0, 2, "clip")

    inputs = converted(drawing.as_file())
    assert inputs["2"]["clip"] == ["1", 1]
    assert {"6", "7"}.isdisjoint(inputs)


def test_reroutes_in_a_circle_are_told_and_end_the_link() -> None:
    drawing = text_to_latent()
    drawing.add(6, "Reroute", inputs=":*", outputs=":*")
    drawing.add(7, "Reroute", inputs=":*", outputs=":*")
    drawing.link(6, 0, 7, "")
    drawing.link(7, 0, 6, "")
    drawing.link(7, 0, 2, "clip")
    conversion = convert(drawing.as_file(), CLASSES)

    assert "clip" not in conversion.nodes["2"].inputs
    assert "circle" in str(conversion.notes[0])


def test_a_primitive_gives_its_value_to_all_it_is_linked_to() -> None:
    drawing = text_to_latent()
    drawing.add(6, "PrimitiveNode", 123, "fixed", outputs="INT:INT")
    drawing.nodes[3]["inputs"].append({"name": "seed", "type": "INT", "widget": {"name": "seed"}, "link": None})
    drawing.nodes[2]["inputs"].append({"name": "width", "type": "INT", "widget": {"name": "width"}, "link": None})
    drawing.link(6, 0, 4, "seed")
    drawing.add(7, "Reroute", inputs=":*", outputs=":*")
    drawing.link(6, 0, 7, "")
    drawing.link(7, 0, 3, "width")

    inputs = converted(drawing.as_file())
    assert inputs["4"]["seed"] == 123
    assert inputs["3"] == {"width": 123, "height": 32}
    assert "6" not in inputs


def test_a_widget_turned_into_an_input_takes_the_link_and_keeps_its_place_among_the_values() -> None:
    drawing = text_to_latent()
    drawing.add(6, "Int", 50, inputs="value:INT!", outputs="INT:INT")
    drawing.nodes[3]["inputs"].append({"name": "steps", "type": "INT", "widget": {"name": "steps"}, "link": None})
    drawing.link(6, 0, 4, "steps")

    inputs = converted(drawing.as_file())
    assert inputs["4"]["steps"] == ["6", 0]
    assert inputs["4"]["cfg"] == 8.0
    assert inputs["6"] == {"value": 50}


def test_variables_lead_from_get_to_set() -> None:
    drawing = text_to_latent()
    drawing.add(6, "SetNode", "the clip", inputs="CLIP:CLIP", outputs="*:*")
    drawing.add(7, "GetNode", "the clip", outputs="CLIP:CLIP")
    drawing.add(8, "GetNode", "no such", outputs="CLIP:CLIP")
    drawing.add(9, "Encode", "b", inputs="clip:CLIP", outputs="C:CONDITIONING")
    drawing.link(1, 1, 6, "CLIP")
    drawing.link(7, 0, 2, "clip")
    drawing.link(8, 0, 9, "clip")
    conversion = convert(drawing.as_file(), CLASSES)

    assert conversion.nodes["2"].inputs["clip"] == ["1", 1]
    assert "clip" not in conversion.nodes["9"].inputs
    assert "'no such'" in conversion.notes[0].message


def test_broadcasts_feed_unlinked_inputs() -> None:
    drawing = text_to_latent()
    drawing.add(6, "Encode", "b", inputs="clip:CLIP", outputs="C:CONDITIONING")
    drawing.add(7, "Anything Everywhere", inputs="CLIP:CLIP")
    drawing.link(1, 1, 7, "CLIP")
    links = [
        {"downstream": 6, "downstream_slot": 0, "upstream": "1", "upstream_slot": 1, "controller": 7, "type": "CLIP"},
        {"downstream": 99, "downstream_slot": 0, "upstream": "1", "upstream_slot": 1, "controller": 7, "type": "CLIP"},
        "nonsense",
    ]
    inputs = converted(drawing.as_file(ue_links=links))

    assert inputs["6"]["clip"] == ["1", 1]
    assert "7" not in inputs


def test_a_muted_node_takes_its_readers_links_away_and_leaves_their_widgets() -> None:
    drawing = text_to_latent()
    drawing.nodes[2]["mode"] = 2
    drawing.nodes[3]["inputs"].append({"name": "cfg", "type": "FLOAT", "widget": {"name": "cfg"}, "link": None})
    drawing.add(6, "Float", 2.0, outputs="FLOAT:FLOAT", mode=2)
    drawing.link(6, 0, 4, "cfg")
    conversion = convert(drawing.as_file(), CLASSES)

    assert "3" not in conversion.nodes
    assert "latent" not in conversion.nodes["4"].inputs
    assert conversion.nodes["4"].inputs["cfg"] == 8.0
    assert [note.kind for note in conversion.notes] == ["links", "links"]
    assert "muted" in conversion.notes[0].message


def test_a_bypassed_node_passes_the_input_of_its_outputs_type_on() -> None:
    drawing = text_to_latent()
    drawing.add(6, "LoraLoader", "x", 1.0, inputs="clip:CLIP model:MODEL", outputs="MODEL:MODEL CLIP:CLIP", mode=4)
    drawing.link(1, 0, 6, "model")
    drawing.link(1, 1, 6, "clip")
    drawing.link(6, 0, 4, "model")
    drawing.link(6, 1, 2, "clip")

    inputs = converted(drawing.as_file())
    assert "6" not in inputs
    assert inputs["4"]["model"] == ["1", 0]
    assert inputs["2"]["clip"] == ["1", 1]


def test_a_bypassed_node_prefers_the_input_at_the_same_place() -> None:
    drawing = text_to_latent()
    drawing.add(6, "Swap", inputs="a:CLIP b:CLIP", outputs="A:CLIP B:CLIP", mode=4)
    drawing.add(7, "Load", "b.safetensors", outputs="MODEL:MODEL CLIP:CLIP")
    drawing.link(1, 1, 6, "a")
    drawing.link(7, 1, 6, "b")
    drawing.link(6, 1, 2, "clip")

    assert converted(drawing.as_file())["2"]["clip"] == ["7", 1]


def test_a_bypassed_node_without_such_an_input_leaves_its_readers_unlinked() -> None:
    drawing = text_to_latent()
    drawing.nodes[0]["mode"] = 4
    conversion = convert(drawing.as_file(), CLASSES)

    assert conversion.nodes["2"].inputs == {"text": "a cat"}
    assert all("bypassed node 1 (Load) has no" in note.message for note in conversion.notes)


def test_links_to_what_is_not_there_are_told() -> None:
    drawing = text_to_latent()
    drawing.nodes[1]["inputs"][0]["link"] = 9999
    drawing.links = [[*link[:1], 77, *link[2:]] if link[1] == 3 else link for link in drawing.links]
    conversion = convert(drawing.as_file(), CLASSES)

    assert [str(note) for note in conversion.notes] == [
        "node 2 (Encode): input 'clip' is not linked: its link 9999 is not in the file",
        "node 4 (Sample): input 'latent' is not linked: node 77, which it is linked to, is not in the file",
    ]


def test_two_nodes_of_one_id_are_refused_unless_one_is_a_note() -> None:
    drawing = text_to_latent()
    drawing.add(2, "Note", "x")
    assert convert(drawing.as_file(), CLASSES).nodes["2"].class_type == "Encode"

    drawing.add(2, "Empty", outputs="LATENT:LATENT")
    with pytest.raises(WorkflowUnreadable, match="two nodes of the workflow have the id 2: Encode and Empty"):
        convert(drawing.as_file(), CLASSES)


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ({"id": 1}, "node 1 of the workflow has no type"),
        ({"type": "Load"}, "node number 0 of the workflow has no id"),
        ("Load", "node number 0 of the workflow has no id"),
        ({"id": True, "type": "Load"}, "node number 0 of the workflow has no id"),
    ],
)
def test_what_is_no_node_is_refused(node: Any, message: str) -> None:
    with pytest.raises(WorkflowUnreadable, match=message):
        convert({"nodes": [node], "links": []}, CLASSES)


def test_prefixes_take_other_nodes_values() -> None:
    drawing = text_to_latent()
    drawing.nodes[4]["widgets_values"] = ["%Sample.seed%/%Positive.text%-%date:yyyy%-%Nobody.x%-%Sample.model%", 80]
    drawing.nodes[1]["widgets_values"] = ["a/b: c"]

    assert converted(drawing.as_file())["5"]["filename_prefix"] == "7/a_b_ c-%date:yyyy%-%Nobody.x%-%Sample.model%"


def prefix_of(drawing: Drawing, prefix: str) -> Any:
    drawing.nodes[4]["widgets_values"] = [prefix, 80]
    return converted(drawing.as_file())["5"]["filename_prefix"]


def test_prefixes_name_nodes_by_their_own_name_first_then_by_class_and_title() -> None:
    drawing = text_to_latent()
    drawing.nodes[3]["properties"] = {"Node name for S&R": "Base"}
    drawing.nodes[3]["title"] = "Encode"
    assert prefix_of(drawing, "%Base.seed%") == "7"
    assert prefix_of(drawing, "%Sample.seed%") == "%Sample.seed%", "it goes by another name"
    assert prefix_of(drawing, "%Encode.text%") != "%Encode.text%", "names count before titles"
    assert prefix_of(drawing, "%Encode.seed%") == "%Encode.seed%"


def test_prefixes_take_values_of_nodes_that_never_run() -> None:
    drawing = text_to_latent()
    drawing.add(9, "PrimitiveNode", "hey: you", "fixed", title="Prim", outputs="STRING:STRING")
    drawing.add(10, "Sample", 5, "fixed", 20, 7.0, title="Off", mode=2)
    assert prefix_of(drawing, "%Prim.value%") == "hey_ you"
    assert prefix_of(drawing, "%Off.seed%") == "5"


def test_long_chains_convert_without_recursion() -> None:
    count = 20_000
    drawing = Drawing()
    drawing.add(0, "Tune", 1.0, inputs="model:MODEL", outputs="MODEL:MODEL")
    nodes = drawing.nodes
    for i in range(1, count):
        kind = "Tune" if i % 2 else "Reroute"
        nodes.append(
            {
                "id": i,
                "type": kind,
                "inputs": [{"name": "model", "type": "MODEL", "link": i}],
                "outputs": [{"name": "MODEL", "type": "MODEL"}],
                "widgets_values": [1.0] if i % 2 else [],
            }
        )
        drawing.links.append([i, i - 1, 0, i, 0, "MODEL"])
    inputs = converted(drawing.as_file())

    assert len(inputs) == count // 2 + 1
    assert inputs["19999"]["model"] == ["19997", 0]


def test_many_readers_of_one_long_chain_of_reroutes_take_linear_time() -> None:
    count = 4_000
    drawing = Drawing()
    drawing.add(0, "Load", "a", outputs="MODEL:MODEL CLIP:CLIP")
    for i in range(1, count):
        slot = {"name": "model", "type": "MODEL", "link": i}
        drawing.nodes.append({"id": i, "type": "Reroute", "inputs": [slot], "outputs": [{"name": "", "type": "*"}]})
        drawing.links.append([i, i - 1, 0, i, 0, "MODEL"])
        slot = {"name": "model", "type": "MODEL", "link": count + i}
        drawing.nodes.append({"id": count + i, "type": "Tune", "inputs": [slot], "widgets_values": [1.0]})
        drawing.nodes[-1]["outputs"] = [{"name": "MODEL", "type": "MODEL"}]
        drawing.links.append([count + i, i, 0, count + i, 0, "MODEL"])
    inputs = converted(drawing.as_file())

    assert all(inputs[str(count + i)]["model"] == ["0", 0] for i in range(1, count))


@pytest.mark.parametrize(("value", "sent"), [(27.35, 1.0), (0.5, 0.5), (-3.0, 0.0)])
def test_a_primitive_of_several_inputs_stays_within_the_ranges_of_all(value: float, sent: float) -> None:
    registry = classes()

    @node("Shift", category="test")
    def shift(ctx: Context, *, shift: Annotated[float, Float(min=0.0, max=100.0)] = 1.0) -> float:
        return shift

    @node("Blend", category="test", output_node=True)
    def blend(ctx: Context, *, factor: Annotated[float, Float(min=-1.0, max=1.0)] = 1.0) -> None:
        return None

    for function in (shift, blend):
        registry.add(function.__dict__["__dagfusion_nodes__"][0])
    drawing = Drawing()
    drawing.add(1, "PrimitiveNode", value, "fixed", outputs="FLOAT:FLOAT")
    drawing.add(2, "Shift", 3.0, inputs="shift:FLOAT!")
    drawing.add(3, "Blend", 0.1, inputs="factor:FLOAT!")
    drawing.link(1, 0, 2, "shift")
    alone = convert(drawing.as_file(), registry).nodes["2"].inputs["shift"]
    drawing.link(1, 0, 3, "factor")
    both = convert(drawing.as_file(), registry).nodes
    assert alone == value
    assert (both["2"].inputs["shift"], both["3"].inputs["factor"]) == (sent, sent)


def test_values_with_editors_of_their_own_take_a_place_and_lists_are_wrapped() -> None:
    registry = classes()

    @node("Draw", category="test", output_node=True)
    def draw(
        ctx: Context,
        *,
        width: int = 1,
        boxes: Annotated[list[Any], Edited("BOUNDING_BOXES")] = (),  # type: ignore[assignment]
        rate: Annotated[float, Float(also="INT")] = 25.0,
        color: Annotated[str, Edited("COLOR")] = "#ffffff",
        batch: int = 1,
    ) -> None:
        return None

    registry.add(draw.__dict__["__dagfusion_nodes__"][0])
    drawing = Drawing()
    drawing.add(1, "Draw", 640, [{"x": 1}], 24, "#000000", 3)
    assert convert(drawing.as_file(), registry).nodes["1"].inputs == {
        "width": 640,
        "boxes": {"__value__": [{"x": 1}]},
        "rate": 24,
        "color": "#000000",
        "batch": 3,
    }
