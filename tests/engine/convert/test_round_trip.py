"""Random graphs written in UI form, with reroutes, slots and subgraphs thrown in, come back as they were."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.convert import convert
from tests.engine.convert.drawing import Drawing, classes

CLASSES = classes()
NAMES = ("Load", "Encode", "Empty", "Sample", "Tune", "Save")
SUBGRAPH_NODE = 900
Prompt = dict[str, dict[str, Any]]

WIDGET_VALUES = {
    "ckpt_name": st.sampled_from(["a.safetensors", "b.ckpt"]),
    "text": st.text(alphabet="ab (:1.2)é", max_size=8),
    "filename_prefix": st.text(alphabet="ab_", max_size=8),
    "sampler_name": st.sampled_from(["euler", "heun", "fixed"]),
    "seed": st.integers(0, 2**64 - 1),
}
NUMBERS = st.integers(0, 100) | st.floats(0, 10)


@st.composite
def prompts(draw: st.DrawFn) -> Prompt:
    """API-form graphs: every node with all its widgets, every link from an earlier node of the right type."""
    prompt: Prompt = {}
    made: list[tuple[str, int, str]] = []
    for index in range(draw(st.integers(1, 10))):
        spec = CLASSES[draw(st.sampled_from(NAMES))]
        inputs: dict[str, Any] = {}
        for name, entry in spec.inputs.items():
            if entry.is_widget:
                inputs[name] = draw(WIDGET_VALUES.get(name, NUMBERS))
            else:
                fitting = [[node_id, slot] for node_id, slot, wire in made if wire == entry.wire]
                if fitting and draw(st.booleans()):
                    inputs[name] = draw(st.sampled_from(fitting))
        prompt[str(index)] = {"class_type": spec.name, "inputs": inputs}
        made += [(str(index), slot, output.wire) for slot, output in enumerate(spec.outputs)]
    return prompt


@st.composite
def drawn(draw: st.DrawFn, prompt: Prompt, inside: frozenset[str]) -> dict[str, Any]:
    """A UI file of ``prompt``, the nodes ``inside`` being in a subgraph."""
    top = Drawing(objects=draw(st.booleans()))
    sub = Drawing(objects=True)
    if inside:
        top.add(SUBGRAPH_NODE, "sub")
    for node_id, node in prompt.items():
        _draw_node(draw, sub if node_id in inside else top, int(node_id), node)
    reroutes = iter(range(1000, 2000))
    for node_id, node in prompt.items():
        for name, value in node["inputs"].items():
            if isinstance(value, list):
                _draw_link(top, sub, inside, (value[0], value[1]), (node_id, name), draw(st.booleans()), reroutes)
    top.nodes = draw(st.permutations(top.nodes))
    return top.as_file(*([sub.as_subgraph("sub")] if inside else []))


def _draw_node(draw: st.DrawFn, drawing: Drawing, node_id: int, node: dict[str, Any]) -> None:
    spec = CLASSES[node["class_type"]]
    values: list[Any] = []
    slots: list[str] = []
    all_slots = draw(st.booleans())
    for name, entry in spec.inputs.items():
        if entry.is_widget:
            values.append(node["inputs"][name])
            if name == "seed":
                values.append(draw(st.sampled_from(["fixed", "randomize"])))
            slots += [f"{name}:{entry.wire}!"] if all_slots else []
        else:
            slots.append(f"{name}:{entry.wire}")
    outputs = " ".join(f"{output.name}:{output.wire}" for output in spec.outputs)
    drawing.add(node_id, spec.name, *values, inputs=" ".join(slots), outputs=outputs)


def _draw_link(
    top: Drawing,
    sub: Drawing,
    inside: frozenset[str],
    origin: tuple[str, int],
    target: tuple[str, str],
    reroute: bool,
    reroutes: Any,
) -> None:
    """Draw a link through whatever lies between: the subgraph's boundary, and a reroute where asked for."""
    drawing, spot = (sub, (int(origin[0]), origin[1])) if origin[0] in inside else (top, (int(origin[0]), origin[1]))
    host = next((node for node in top.nodes if node["id"] == SUBGRAPH_NODE), {})
    if origin[0] in inside and target[0] not in inside:
        sub.outputs.append({"name": f"out{len(sub.outputs)}", "type": "*", "linkIds": []})
        sub.link(*spot, -20, sub.outputs[-1]["name"])
        host["outputs"].append({"name": sub.outputs[-1]["name"], "type": "*"})
        drawing, spot = top, (SUBGRAPH_NODE, len(sub.outputs) - 1)
    if origin[0] not in inside and target[0] in inside:
        name = f"in{len(sub.inputs)}"
        sub.inputs.append({"name": name, "type": "*", "linkIds": []})
        host["inputs"].append({"name": name, "type": "*", "link": None})
        top.link(*spot, SUBGRAPH_NODE, name)
        drawing, spot = sub, (-10, len(sub.inputs) - 1)
    if reroute:
        between = drawing.add(next(reroutes), "Reroute", inputs=":*", outputs=":*")
        drawing.link(*spot, between, "")
        spot = (between, 0)
    drawing.link(*spot, int(target[0]), target[1])


def _renamed(prompt: Prompt, inside: frozenset[str]) -> Prompt:
    """``prompt`` with the ids that nodes inside the subgraph get."""
    ids = {i: f"{SUBGRAPH_NODE}:{i}" if i in inside else i for i in prompt}
    return {
        ids[i]: {
            "class_type": node["class_type"],
            "inputs": {k: [ids[v[0]], v[1]] if isinstance(v, list) else v for k, v in node["inputs"].items()},
        }
        for i, node in prompt.items()
    }


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_what_is_drawn_converts_back(data: st.DataObject) -> None:
    prompt = data.draw(prompts())
    inside = frozenset(data.draw(st.sets(st.sampled_from(sorted(prompt)))))
    conversion = convert(data.draw(drawn(prompt, inside)), CLASSES)

    assert conversion.notes == ()
    found = {i: {"class_type": n.class_type, "inputs": dict(n.inputs)} for i, n in conversion.nodes.items()}
    assert found == _renamed(prompt, inside)
