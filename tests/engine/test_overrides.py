"""``NODE.INPUT=VALUE``."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import GraphInvalid, Problem
from engine.overrides import apply_overrides, set_seeds
from engine.workflow import NodeDocument, Workflow
from tests.engine.convert.drawing import classes

CLASSES = classes()


def workflow() -> Workflow:
    def node(class_type: str, title: str | None = None, **inputs: Any) -> NodeDocument:
        return NodeDocument(class_type=class_type, inputs=inputs, title=title)

    return Workflow(
        nodes={
            "1": node("Load", "Checkpoint", ckpt_name="a"),
            "2": node("Encode", "Positive", text="cat", clip=["1", 1]),
            "3": node("Encode", "Negative", text="dog", clip=["1", 1]),
            "57:4": node("Sample", "v1.5 sampler", seed=1, steps=20, model=["1", 0]),
            "5": node("Resize", "Sample", **{"resize.width": 64}),
            "6": node("Mystery", "2", variation_seed=5, seed=["57:4", 0], noise_seed=3),
        }
    )


def applied(*overrides: str) -> dict[str, dict[str, Any]]:
    return {i: n.inputs for i, n in apply_overrides(workflow(), overrides, CLASSES).nodes.items()}


def problems(*overrides: str) -> tuple[Problem, ...]:
    with pytest.raises(GraphInvalid) as caught:
        apply_overrides(workflow(), overrides, CLASSES)
    return caught.value.problems


@pytest.mark.parametrize(
    ("override", "node_id", "name", "value"),
    [
        ("57:4.steps=30", "57:4", "steps", 30),
        ("Positive.text=a red cat", "2", "text", "a red cat"),
        ("Load.ckpt_name=b.safetensors", "1", "ckpt_name", "b.safetensors"),
        ("v1.5 sampler.steps=9", "57:4", "steps", 9),
        ("Resize.resize.width=8", "5", "resize.width", 8),
        ("2.text=by id before title", "2", "text", "by id before title"),
        ("57:4.cfg=3.5", "57:4", "cfg", 3.5),
        ('57:4.model=["1", 0]', "57:4", "model", ["1", 0]),
        ('3.text="7"', "3", "text", "7"),
        ("3.text=", "3", "text", ""),
        ("3.text=a=b.c", "3", "text", "a=b.c"),
        ("3.text=true", "3", "text", True),
        ("3.text=NaN", "3", "text", "NaN"),
        ("3.text={a|b}", "3", "text", "{a|b}"),
        (" Negative . text =x", "3", "text", "x"),
    ],
)
def test_an_input_is_set(override: str, node_id: str, name: str, value: Any) -> None:
    expected = {i: dict(n.inputs) for i, n in workflow().nodes.items()}
    expected[node_id][name] = value
    assert applied(override) == expected


def test_a_title_goes_before_a_class() -> None:
    assert applied("Sample.resize.width=1")["5"] == {"resize.width": 1}


def test_the_last_of_two_holds_and_the_workflow_given_is_unchanged() -> None:
    before = workflow()
    after = apply_overrides(before, ["3.text=a", "3.text=b"], CLASSES)
    assert after.nodes["3"].inputs["text"] == "b"
    assert before == workflow()
    assert after.nodes["2"] is before.nodes["2"]


@pytest.mark.parametrize(
    ("override", "message", "remedy"),
    [
        ("Encode.text=x", "'Encode' can mean 2 nodes", "2 (Positive), 3 (Negative)"),
        ("Positve.text=x", "no node has the id, title or class 'Positve'", "did you mean 'Positive'"),
        ("zzz.text=x", "no node has the id, title or class 'zzz'", "1 (Checkpoint), 2 (Positive)"),
        ("57:4.step=1", "it has no input 'step'", "did you mean 'steps'"),
        ("Load.zzz=1", "it has no input 'zzz'", "there are: ckpt_name"),
        ("57:4.steps", "'57:4.steps' sets nothing", "NODE.INPUT=VALUE"),
        ("steps=1", "'steps' names no input", "NODE.INPUT=VALUE"),
        ("=1", "'' names no input", "NODE.INPUT=VALUE"),
        (".=1", "'.' names no input", "NODE.INPUT=VALUE"),
    ],
)
def test_what_cannot_be_set_is_told_with_candidates(override: str, message: str, remedy: str) -> None:
    (problem,) = problems(override)
    assert message in problem.message
    assert remedy in problem.remedy
    assert problem.code == "invalid_override"


def test_all_problems_are_told_at_once() -> None:
    found = problems("zzz.a=1", "3.text=fine", "57:4.nothing=1")
    assert [problem.node_id for problem in found] == [None, "57:4"]


def test_without_classes_only_inputs_that_are_there_can_be_set() -> None:
    assert apply_overrides(workflow(), ["57:4.steps=1"]).nodes["57:4"].inputs["steps"] == 1
    with pytest.raises(GraphInvalid, match="no input 'cfg'"):
        apply_overrides(workflow(), ["57:4.cfg=1"])


@given(st.text(max_size=30))
def test_any_text_is_applied_or_refused(override: str) -> None:
    """What is applied changes the one input that it names; what is refused says why, and changes nothing."""
    before = workflow()
    refused, after = [], before
    try:
        after = apply_overrides(before, [override], CLASSES)
    except GraphInvalid as error:
        refused = [problem.code for problem in error.problems]
    assert set(refused) <= {"invalid_override"}
    assert before == workflow()
    changed = [
        (node_id, name)
        for node_id, node in after.nodes.items()
        for name, value in node.inputs.items()
        if before.nodes[node_id].inputs.get(name) != value
    ]
    assert len(changed) <= 1
    assert all(override.startswith(f"{node_id}.{name}=") for node_id, name in changed)


@pytest.mark.parametrize("value", ["7", '"seven"', "0.5", "[1, 2]", "true", "plain text", ""])
def test_an_override_changes_its_input_and_no_other(value: str) -> None:
    before = workflow()
    after = apply_overrides(before, [f"57:4.steps={value}"])
    assert after.nodes["57:4"].inputs.keys() == before.nodes["57:4"].inputs.keys()
    for node_id, node in after.nodes.items():
        for name, kept in node.inputs.items():
            assert (kept == before.nodes[node_id].inputs[name]) or (node_id, name) == ("57:4", "steps")
    assert before == workflow()


def test_seeds_that_are_typed_in_are_set() -> None:
    nodes = set_seeds(workflow(), CLASSES, 42).nodes
    assert nodes["57:4"].inputs["seed"] == 42
    assert nodes["6"].inputs == {"variation_seed": 5, "seed": ["57:4", 0], "noise_seed": 42}
    assert nodes["1"] == workflow().nodes["1"]


def test_a_primitive_that_a_seed_is_linked_to_is_set() -> None:
    primitive = NodeDocument(class_type="PrimitiveInt", inputs={"value": 3})
    sampler = NodeDocument(class_type="Sample", inputs={"seed": ["p", 0], "steps": ["q", 0]})
    flow = Workflow(nodes={"p": primitive, "q": primitive, "s": sampler})
    nodes = set_seeds(flow, CLASSES, 42).nodes
    assert (nodes["p"].inputs, nodes["q"].inputs) == ({"value": 42}, {"value": 3})
