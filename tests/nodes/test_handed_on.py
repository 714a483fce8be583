"""Nodes that save or show hand their input on, so that what stands after them runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.engine import Engine
from engine.folders import Folders
from engine.model_store import ModelStore
from engine.result import RunResult
from engine.workflow import NodeDocument, Workflow
from nodes import builtin_registry

PICTURE = {"class_type": "EmptyImage", "inputs": {"width": 16, "height": 16, "batch_size": 1, "color": 0xFF8040}}
LATENT = {"class_type": "EmptyLatentImage", "inputs": {"width": 16, "height": 16, "batch_size": 1}}
MASK = {"class_type": "SolidMask", "inputs": {"value": 0.5, "width": 8, "height": 8}}


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    folders = Folders(input=tmp_path / "input", output=tmp_path / "output", temp=tmp_path / "temp")
    for folder in (folders.input, folders.output, folders.temp):
        folder.mkdir()
    return Engine(builtin_registry(), folders, ModelStore("cpu"))


def run(engine: Engine, **nodes: dict[str, Any]) -> RunResult:
    return engine.run(Workflow(nodes={name: NodeDocument(**entry) for name, entry in nodes.items()}))


@pytest.mark.parametrize("saves", ["PreviewImage", "SaveImage", "SaveAnimatedPNG", "SaveAnimatedWEBP"])
def test_pictures_go_on_to_the_next_node(engine: Engine, saves: str) -> None:
    first = {"class_type": saves, "inputs": {"images": ["1", 0]} | ({"method": "default"} if "WEBP" in saves else {})}
    inverted = {"class_type": "ImageInvert", "inputs": {"image": ["2", 0]}}
    last = {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": "x"}}
    result = run(engine, **{"1": PICTURE, "2": first, "3": inverted, "4": last})
    assert {node: len(output.shown["images"]) for node, output in result.outputs.items()} == {"2": 1, "4": 1}


def test_texts_go_on_to_the_next_node(engine: Engine) -> None:
    text = {"class_type": "PrimitiveString", "inputs": {"value": "abc"}}
    shown = {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}}
    length = {"class_type": "StringLength", "inputs": {"string": ["2", 0]}}
    result = run(engine, **{"1": text, "2": shown, "3": length, "4": shown | {"inputs": {"source": ["3", 0]}}})
    assert [result.outputs[node].shown["text"][0] for node in ("2", "4")] == ["abc", "3"]


def test_masks_and_latents_go_on_to_the_next_node(engine: Engine) -> None:
    preview = {"class_type": "MaskPreview", "inputs": {"mask": ["1", 0]}}
    picture = {"class_type": "MaskToImage", "inputs": {"mask": ["2", 0]}}
    saved = {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": "x"}}
    kept = {"class_type": "SaveLatent", "inputs": {"samples": ["5", 0]}}
    again = {"class_type": "SaveLatent", "inputs": {"samples": ["6", 0]}}
    nodes = {"1": MASK, "2": preview, "3": picture, "4": saved, "5": LATENT, "6": kept, "7": again}
    assert set(run(engine, **nodes).outputs) == {"2", "4", "6", "7"}
