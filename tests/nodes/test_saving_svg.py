"""Vector graphics are saved with the workflow in them, and stay well-formed whatever it says."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any
from xml.etree import ElementTree as ET

import pytest

from engine.context import Context
from engine.engine import Engine
from engine.folders import Folders
from engine.inputs import Wire
from engine.model_store import ModelStore
from engine.registry import node
from engine.workflow import NodeDocument, Workflow
from nodes import builtin_registry
from nodes.metadata.svg import embed

SVG = '<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="9"><svg width="3"/></svg>'


@node("DrawnSVG", category="test")
def drawn_svg(ctx: Context, *, label: str = "") -> Annotated[Any, Wire("SVG")]:
    """Two documents."""
    return SimpleNamespace(data=[BytesIO(SVG.encode()), BytesIO(SVG.replace("9", "7").encode())])


def test_each_drawing_is_a_file_with_its_workflow(tmp_path: Path) -> None:
    registry = builtin_registry()
    for spec in drawn_svg.__dict__["__dagfusion_nodes__"]:
        registry.add(spec)
    folders = Folders(input=tmp_path / "input", output=tmp_path / "output", temp=tmp_path / "temp")
    label = "]]> & <b>"
    nodes = {
        "1": NodeDocument(class_type="DrawnSVG", inputs={"label": label}),
        "2": NodeDocument(class_type="SaveSVGNode", inputs={"svg": ["1", 0], "filename_prefix": "svg/a"}),
    }
    Engine(registry, folders, ModelStore("cpu")).run(Workflow(nodes=nodes))
    files = sorted((tmp_path / "output" / "svg").iterdir())
    assert [file.name for file in files] == ["a_00001_.svg", "a_00002_.svg"]
    for file, width in zip(files, "97", strict=True):
        root = ET.fromstring(file.read_text())
        assert root.get("width") == width
        held = json.loads(root[0].text or "")
        assert held["prompt"]["1"]["inputs"]["label"] == label


@pytest.mark.parametrize("document", ["<svg/>", "no drawing", "<svgx></svgx>"])
def test_what_has_no_root_to_hold_texts_is_copied(document: str, tmp_path: Path) -> None:
    source, target = tmp_path / "a", tmp_path / "b"
    source.write_text(document)
    embed(source, target, {"prompt": "{}"})
    assert target.read_text() == document
