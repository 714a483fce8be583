"""Makes a workflow read the files that came with it, instead of what lies in the input folder under their names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from adapters.service.store.records import InputFile
from engine.folders import OWN_FOLDERS, annotated
from engine.inputs import FileChoice
from engine.schema import NodeSpec
from engine.workflow import NodeDocument, Workflow


def rewrite_inputs(workflow: Workflow, registry: Mapping[str, NodeSpec], files: Iterable[InputFile]) -> Workflow:
    """The workflow with each input that names one of ``files`` naming its stored file.

    Only inputs that choose a file of the input folder are touched: a prompt that happens to be a file's name stays.
    """
    stored = {file.name: file.stored_name for file in files}
    if not stored:
        return workflow
    nodes = {
        node_id: _rewritten(node, registry.get(node.class_type), stored) for node_id, node in workflow.nodes.items()
    }
    return workflow.model_copy(update={"nodes": nodes})


def unread(workflow: Workflow, files: Iterable[InputFile]) -> list[str]:
    """Names of those of ``files`` that no input of the rewritten ``workflow`` chooses."""
    files = tuple(files)
    if not files:
        return []
    chosen = {
        annotated(value)[0]
        for node in workflow.nodes.values()
        for value in node.inputs.values()
        if isinstance(value, str)
    }
    return [file.name for file in files if file.stored_name not in chosen]


def _rewritten(node: NodeDocument, spec: NodeSpec | None, stored: Mapping[str, str]) -> NodeDocument:
    if spec is None:
        return node
    changed = {
        name: new
        for name, value in node.inputs.items()
        if name in spec.inputs and (new := _stored_name(spec.inputs[name].marker, value, stored)) is not None
    }
    return node.model_copy(update={"inputs": {**node.inputs, **changed}}) if changed else node


def _stored_name(marker: object, value: Any, stored: Mapping[str, str]) -> str | None:
    if not isinstance(marker, FileChoice) or not isinstance(value, str):
        return None
    name, noted = annotated(value)
    if marker.kind not in OWN_FOLDERS or (noted or marker.kind) != "input":
        return None
    found = stored.get(name)
    return found if found is None or marker.kind == "input" else f"{found} [input]"
