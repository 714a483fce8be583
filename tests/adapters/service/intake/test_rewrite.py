"""Which inputs of a workflow are made to name the stored files."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Annotated, Any

import pytest
from PIL import Image as Pillow

from adapters.service.blobs.store import BlobStore
from adapters.service.intake.placing import place_files
from adapters.service.intake.rewrite import rewrite_inputs
from adapters.service.intake.take import Intake
from adapters.service.outbound.client import OutboundClient
from adapters.service.store.records import InputFile
from engine.context import Context
from engine.engine import Engine
from engine.folders import Folders
from engine.inputs import FileChoice, Text
from engine.model_store import ModelStore
from engine.registry import Registry
from engine.schema import NodeSpec
from engine.types import Image
from engine.workflow import NodeDocument, Workflow
from nodes import builtin_registry
from tests.adapters.service.intake.files import picture


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def load(
    ctx: Context,
    *,
    image: Annotated[str, FileChoice("input", upload="image", allow_data_url=True)],
    text: Annotated[str, Text()] = "",
    shown: Annotated[str, FileChoice("output")] = "",
    model: Annotated[str, FileChoice("checkpoints")] = "",
) -> Image:
    raise NotImplementedError  # its signature is what is looked at; nothing here runs it


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


@pytest.mark.anyio
async def test_a_workflow_runs_with_the_files_that_came_with_it(tmp_path: Path) -> None:
    """From base64 text, past another file of that name in the input folder, to a picture that a node made of it."""
    folders = Folders(input=tmp_path / "input", output=tmp_path / "output", temp=tmp_path / "temp")
    folders.input.mkdir()
    (folders.input / "photo.png").write_bytes(picture("PNG", 9, 9))
    client = OutboundClient()
    blobs = BlobStore(tmp_path / "blobs")
    taken = await Intake(blobs, client).take({"photo.png": base64.b64encode(picture("PNG", 7, 4)).decode()})
    await client.aclose()
    nodes = {
        "1": NodeDocument(class_type="LoadImage", inputs={"image": "photo.png"}),
        "2": NodeDocument(class_type="SaveImage", inputs={"images": ["1", 0], "filename_prefix": "out"}),
    }
    known = builtin_registry()
    workflow = rewrite_inputs(Workflow(nodes=nodes), known, taken)
    place_files(taken, blobs, folders.input)
    engine = Engine(known, folders, ModelStore(device="cpu"))
    assert engine.check(workflow) == ()
    engine.run(workflow)
    with Pillow.open(folders.output / "out_00001_.png") as made:
        assert made.size == (7, 4)
