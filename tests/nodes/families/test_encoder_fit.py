"""Prompts that were encoded for another family are told beforehand; those of recorded graphs are no problem."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.folders import Folders, model_folders
from engine.validate import inspect
from engine.workflow import NodeDocument, Workflow
from nodes import builtin_registry
from nodes.families.checking import file_problems
from nodes.families.encoder_fit import CODE, encoder_problems
from tests.reference.families import models

REGISTRY = builtin_registry()
BOOKS = Path(models.__file__).parent
# A family's graph, with one encoder; the encoder of another family.
WRONG = {"z_image": "gemma", "lumina2": "qwen3", "qwen_image": "qwen3", "flux2": "gemma", "chroma": "qwen3"}


def loaders(graph: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [node for node in graph.values() if node["class_type"] == "CLIPLoader"]


def graph_of(family: str) -> dict[str, Any]:
    graphs = json.loads((BOOKS / family / "prompts.json").read_text()).values()
    samples = {"KSampler", "BasicGuider", "CFGGuider"}
    found = (graph for graph in graphs if samples & {node["class_type"] for node in graph.values()})
    graph = next(graph for graph in found if len(loaders(graph)) == 1)
    return {name: node for name, node in graph.items() if node["class_type"] in REGISTRY}  # without probes


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    folder = tmp_path_factory.mktemp("models")
    models.write(models.BOOK, folder, models.named_in(map(graph_of, WRONG)))
    return Folders(model_folders([folder]))


def check(graph: Mapping[str, Any], folders: Folders) -> Any:
    nodes = {name: NodeDocument(class_type=node["class_type"], inputs=node["inputs"]) for name, node in graph.items()}
    checked = inspect(Workflow(nodes=nodes), REGISTRY, folders, list(nodes))
    assert checked.problems == ()
    return checked.nodes


@pytest.mark.parametrize("family", WRONG)
def test_a_recorded_graph_is_no_problem_and_one_with_another_encoder_is(family: str, folders: Folders) -> None:
    graph = graph_of(family)
    assert list(file_problems(check(graph, folders))) == []
    (loader,) = loaders(graph)
    loader["inputs"]["clip_name"] = next(n for n in folders.files("text_encoders") if WRONG[family] in n)
    found = list(encoder_problems(check(graph, folders)))
    assert found
    assert {problem.code for problem in found} == {CODE}
    assert all(loader["inputs"]["clip_name"] in problem.message for problem in found)
    assert {problem.input for problem in found} <= {"positive", "negative", "conditioning"}
