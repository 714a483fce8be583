"""Reads a workflow from whatever it comes in: JSON text, bytes, a file, a dict, or a picture that carries one."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from engine.convert import Note, convert
from engine.errors import GraphInvalid, Problem, WorkflowUnreadable
from engine.picture_metadata import HEAD_BYTES, picture_kind, read_picture_texts
from engine.schema import NodeSpec
from engine.strict_json import MAX_BYTES, check_size, check_tree, is_finite, parse_json, with_nan_as_null
from engine.unwrap import unwrap
from engine.workflow import NodeDocument, Workflow

Source = Path | bytes | str | Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ReadWorkflow:
    """A workflow as read: which form it had (``api`` or ``ui``), and what was lost or left out on the way."""

    workflow: Workflow
    form: str
    notes: tuple[Note, ...]


def read_workflow(source: Source, registry: Mapping[str, NodeSpec], *, max_bytes: int = MAX_BYTES) -> Workflow:
    """The workflow in ``source``, as :func:`read_document` reads it."""
    return read_document(source, registry, max_bytes=max_bytes).workflow


def read_document(source: Source, registry: Mapping[str, NodeSpec], *, max_bytes: int = MAX_BYTES) -> ReadWorkflow:
    """Read ``source``: a file, its bytes, JSON text, or JSON already parsed. Either form, wrapped or not.

    ``registry`` tells how UI files' positional widget values are named; classes that it lacks are kept all the same.
    Raises ``WorkflowUnreadable`` where this is no workflow, ``GraphInvalid`` where nodes of it are none.
    """
    document, what = _load(source, max_bytes)
    found = unwrap(document, what)
    extra_pnginfo = dict(found.extra_pnginfo)
    if found.form == "ui":
        conversion = convert(found.document, registry)
        nodes, notes = dict(conversion.nodes), conversion.notes
        extra_pnginfo.setdefault("workflow", found.document)
    else:
        nodes, notes = _read_nodes(found.document)
    problems = [problem for node_id, node in nodes.items() for problem in _not_finite(node_id, node)]
    if problems:
        raise GraphInvalid(problems)
    if not is_finite(extra_pnginfo):
        extra_pnginfo = with_nan_as_null(extra_pnginfo)
    return ReadWorkflow(Workflow(nodes=nodes, extra_pnginfo=extra_pnginfo), found.form, notes)


def _load(source: Source, max_bytes: int) -> tuple[Mapping[str, Any], str]:
    what = f"'{source.name}'" if isinstance(source, Path) else "the workflow"
    if isinstance(source, Mapping):
        check_tree(source, what)
        return source, what
    if isinstance(source, Path):
        try:
            with source.open("rb") as file:
                tree = _load_file(file, source.stat().st_size, what, max_bytes)
        except OSError as error:
            reason = error.strerror or str(error)
            raise WorkflowUnreadable(f"'{source}' cannot be read: {reason}", remedy="check the path") from error
    elif isinstance(source, bytes):
        tree = _load_file(io.BytesIO(source), len(source), what, max_bytes)
    else:
        tree = parse_json(source, what, max_bytes=max_bytes)
    if not isinstance(tree, dict):
        kinds = {list: "an array", str: "a text", bool: "true or false", type(None): "null"}
        raise WorkflowUnreadable(
            f"{what} is JSON, but {kinds.get(type(tree), 'a number')} instead of an object",
            remedy="a workflow is an object: nodes by id, or what the front end saves",
        )
    return tree, what


def _load_file(file: BinaryIO, size_bytes: int, what: str, max_bytes: int) -> Any:
    head = file.read(HEAD_BYTES)
    file.seek(0)
    if picture_kind(head):
        return _load_picture(file, what, max_bytes)
    check_size(size_bytes, what, max_bytes)
    return parse_json(file.read(max_bytes + 1), what, max_bytes=max_bytes)


def _load_picture(file: BinaryIO, what: str, max_bytes: int) -> dict[str, Any]:
    """What the picture carries, as ``{"prompt": API form, "workflow": UI form}``, either of which may be missing."""
    texts = read_picture_texts(file)
    carried: dict[str, Any] = {}
    for name, text in texts.items():
        if name in ("prompt", "workflow", "comment") and text.lstrip().startswith("{"):
            # ComfyUI has written NaN into prompts where a node's fingerprint was one.
            tree = parse_json(text, f"the {name} in {what}", max_bytes=max_bytes, nan_is_null=True)
            if name == "comment":
                carried = {**tree, **carried}
            else:
                carried[name] = tree
    if not any(isinstance(carried.get(name), dict) and carried[name] for name in ("prompt", "workflow")):
        raise WorkflowUnreadable(
            f"{what} is a picture that carries no workflow", remedy="take the original file: editors drop the metadata"
        )
    return carried


def _read_nodes(document: Mapping[str, Any]) -> tuple[dict[str, NodeDocument], tuple[Note, ...]]:
    """API-form nodes. Members that are no nodes are left out with a note; raises ``GraphInvalid`` for broken ones."""
    nodes: dict[str, NodeDocument] = {}
    notes: list[Note] = []
    problems: list[Problem] = []
    for key, entry in document.items():
        node_id = str(key)
        if not isinstance(entry, dict) or not ("class_type" in entry or "inputs" in entry):
            notes.append(Note("ignored", f"'{node_id}' is not a node and was left out"))
            continue
        class_type, inputs, meta = entry.get("class_type", ""), entry.get("inputs"), entry.get("_meta")
        if not isinstance(class_type, str):
            problems.append(_broken(node_id, f"its class_type is {class_type!r:.60}", "it should be the class's name"))
        elif not isinstance(inputs, dict | None) or not all(isinstance(name, str) for name in inputs or ()):
            problems.append(_broken(node_id, "its inputs are not an object", "they should be values by name"))
        else:
            title = meta.get("title") if isinstance(meta, dict) else None
            nodes[node_id] = NodeDocument(
                class_type=class_type, inputs=inputs or {}, title=title if isinstance(title, str) else None
            )
    if problems:
        raise GraphInvalid(problems)
    return nodes, tuple(notes)


def _broken(node_id: str, message: str, remedy: str) -> Problem:
    return Problem("invalid_prompt", message, remedy, node_id=node_id)


def _not_finite(node_id: str, node: NodeDocument) -> Iterator[Problem]:
    for name, value in node.inputs.items():
        if not is_finite(value):
            yield Problem(
                "invalid_input_type",
                "NaN and Infinity are no numbers that an input can have",
                "write a finite number",
                node_id=node_id,
                class_type=node.class_type,
                input=name,
            )
