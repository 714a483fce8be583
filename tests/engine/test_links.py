"""Links that lead nowhere or do not fit, and those that do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.engine import Engine
from engine.links import wires_fit
from engine.workflow import NodeDocument, Workflow
from tests.engine.toys import codes, one, toy_engine, workflow


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return toy_engine(tmp_path)


@pytest.mark.parametrize(
    ("link", "words"),
    [
        (["n"], "not a link"),
        ([], "not a link"),
        (["n", 0, 1], "not a link"),
        (["n", "0"], "not a link"),
        (["n", 0.5], "not a link"),
        (["n", -1], "not a link"),
        (["n", True], "not a link"),
        ([["n", 0], 0], "not a link"),
        ([None, 0], "not a link"),
        (["m", 0], "node 'm', which is not in the workflow"),
        (["n", 1], "no output slot 1"),
        (["n", 10**30], "no output slot"),
        (["n", float("nan")], "not a link"),
        (["n", float("inf")], "not a link"),
        (["s2", 0], "no output slot 0"),
    ],
)
def test_links_that_lead_nowhere(engine: Engine, link: list[Any], words: str) -> None:
    flow = workflow(n=("Number", {"value": 1}), s2=("Show", {"value": 1}), s=("Show", {"value": link}))
    problem = one(engine, flow)
    assert (problem.node_id, problem.code, problem.input) == ("s", "bad_linked_input", "value")
    assert words in problem.message
    assert problem.remedy


def test_slots_as_floats_and_ids_as_numbers_are_understood(engine: Engine) -> None:
    flow = Workflow(
        nodes={
            "1": NodeDocument(class_type="Number", inputs={"value": 1}),
            "2": NodeDocument(class_type="Show", inputs={"value": ["1", 0.0]}),
            "3": NodeDocument(class_type="Show", inputs={"value": [1, 0]}),
        }
    )
    assert engine.check(flow) == ()


def test_type_mismatch_names_both_types_and_a_fitting_slot(engine: Engine) -> None:
    flow = workflow(
        n=("Number", {"value": 1}), both=("AddOptional", {"a": ["n", 0]}), w=("Words", {"text": ["both", 0]}),
        s=("Show", {"value": ["w", 0]}),
    )  # fmt: skip
    problem = one(engine, flow)
    assert (problem.node_id, problem.code, problem.input) == ("w", "return_type_mismatch", "text")
    assert "STRING" in problem.message
    assert "INT" in problem.message
    assert problem.remedy == "use output 1 of that node"


@pytest.mark.parametrize(
    ("made", "taken", "fits"),
    [
        ("IMAGE", "IMAGE", True),
        ("IMAGE", "MASK", False),
        ("IMAGE", "IMAGE,MASK", True),
        ("IMAGE,MASK", "MASK", True),
        ("IMAGE, MASK", "LATENT,MASK", True),
        ("IMAGE,MASK", "LATENT", False),
        ("*", "MODEL", True),
        ("MODEL", "*", True),
        ("MODEL", "*,IMAGE", True),
        ("IMAG", "IMAGE", False),
        ("INT", "FLOAT", False),
    ],
)
def test_wire_types(made: str, taken: str, fits: bool) -> None:
    assert wires_fit(made, taken) is fits


def test_unions_take_links_of_either_type_and_numbers(engine: Engine) -> None:
    flow = workflow(
        n=("Number", {"value": 1}), p=("MakePicture",), w=("Words", {"text": ""}),
        a=("Mixed", {"either": ["n", 0], "on": 1}), b=("Mixed", {"either": ["p", 0], "on": 1}),
        c=("Mixed", {"either": 4, "on": 0}), d=("Mixed", {"either": ["w", 0], "on": 0}),
        s1=("Show", {"value": ["a", 0]}), s2=("Show", {"value": ["b", 0]}), s3=("Show", {"value": ["c", 0]}),
        s4=("Show", {"value": ["d", 0]}),
    )  # fmt: skip
    assert codes(engine.check(flow)) == [("d", "return_type_mismatch", "either")]
