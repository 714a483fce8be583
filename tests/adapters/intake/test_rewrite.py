"""Which inputs of a workflow are made to name the stored files."""

from __future__ import annotations

from typing import Annotated, Any

from adapters.intake.rewrite import rewrite_inputs
from adapters.store.records import InputFile
from engine.context import Context
from engine.inputs import FileChoice, Text
from engine.registry import Registry
from engine.schema import NodeSpec
from engine.types import Image
from engine.workflow import NodeDocument, Workflow


def load(
    ctx: Context,
    *,
    image: Annotated[str, FileChoice("input", upload="image", allow_data_url=True)],
    text: Annotated[str, Text()] = "",
    shown: Annotated[str, FileChoice("output")] = "",
    model: Annotated[str, FileChoice("checkpoints")] = "",
) -> Image:
    raise NotImplementedError


def registry() -> Registry:
    known = Registry()
    known.add(NodeSpec(name="Load", run=load, category="test"))
    return known


def rewritten(inputs: dict[str, Any], class_type: str = "Load") -> dict[str, Any]:
    files = [
        InputFile("a.png", "0" * 64, "uploads/a", "image/png", 1),
        InputFile("sub/b.png", "1" * 64, "uploads/b", "image/png", 1),
    ]
    workflow = Workflow(
        nodes={"1": NodeDocument(class_type=class_type, inputs=inputs, title="t")}, extra_pnginfo={"x": 1}
    )
    after = rewrite_inputs(workflow, registry(), files)
    assert after.extra_pnginfo == {"x": 1}
    assert after.nodes["1"].title == "t"
    assert workflow.nodes["1"].inputs == inputs
    return after.nodes["1"].inputs


def test_choices_of_input_files_are_rewritten() -> None:
    assert rewritten({"image": "a.png"}) == {"image": "uploads/a"}
    assert rewritten({"image": "sub/b.png"}) == {"image": "uploads/b"}
    assert rewritten({"image": "a.png [input]"}) == {"image": "uploads/a"}
    assert rewritten({"shown": "a.png [input]"}) == {"shown": "uploads/a [input]"}


def test_everything_else_stays() -> None:
    for inputs in (
        {"image": "other.png"},
        {"image": "a.png [output]"},
        {"image": "b.png"},
        {"image": "data:image/png;base64,a.png"},
        {"image": ["3", 0]},
        {"image": None},
        {"text": "a.png"},
        {"shown": "a.png"},
        {"model": "a.png"},
        {"unknown": "a.png"},
    ):
        assert rewritten(inputs) == inputs
    assert rewritten({"image": "a.png"}, class_type="Unknown") == {"image": "a.png"}
