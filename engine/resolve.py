"""Resolves one node: turns its typed-in values into their types, and lists what is wrong with its inputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.calls import call_with_known, names_input, takes_input
from engine.coerce import OF_THE_CLASS, ValueWrong, coerce
from engine.context import Context
from engine.errors import ModelMissing
from engine.file_inputs import named_file
from engine.folders import Folders
from engine.inputs import FileChoice
from engine.links import BrokenInput, given_inputs, mismatch
from engine.resolved import ResolvedNode
from engine.schema import NO_DEFAULT, InputSpec, NodeSpec
from engine.types import Link
from engine.workflow import NodeDocument

LINKED_TYPES = "input_types"
"""What a class's check calls the types of what is linked to its inputs, by input, where it wants to know them."""


def resolve(
    node_id: str,
    node: NodeDocument,
    spec: NodeSpec,
    links: dict[str, Link],
    upstream: Mapping[str, NodeSpec | None],
    folders: Folders,
) -> tuple[ResolvedNode, list[BrokenInput]]:
    """The node, and what is wrong with its inputs. ``upstream``: the classes it has links to (``None``: not known)."""
    resolved = ResolvedNode(node_id, node.class_type, spec, {}, links)
    broken: list[BrokenInput] = []
    for name, known in given_inputs(spec, node.inputs):
        if name in links and (wrong := mismatch(name, known, links[name], upstream[links[name].node_id])):
            checks_types = wrong.code == "return_type_mismatch" and names_input(spec.validate, LINKED_TYPES)
            broken += [] if checks_types else [wrong]
        value = node.inputs.get(name, NO_DEFAULT)
        if value is NO_DEFAULT:
            if known is not None and known.required:
                broken += _fill(resolved, known)
        elif isinstance(value, list):
            pass  # A link, read before.
        elif known is None:
            resolved.literals[name] = value
        elif wrong := _take(resolved, known, value, folders):
            broken.append(wrong)
    if spec.lazy_inputs:
        resolved.lazy = spec.lazy_inputs & links.keys()
    if spec.validate is not None and not broken:
        broken += _own_validation(resolved, folders, upstream)
    return resolved, broken


def _fill(node: ResolvedNode, spec: InputSpec) -> list[BrokenInput]:
    """Give a typed-in value that the workflow lacks its default: files that are older than the input lack it."""
    if not spec.is_widget:
        remedy = f"link it to a node that makes {spec.takes}"
        return [BrokenInput("required_input_missing", "it is not linked", remedy, spec.name)]
    if spec.default is NO_DEFAULT:
        return [BrokenInput("required_input_missing", "it has no value", f"give it a {spec.wire} value", spec.name)]
    node.literals[spec.name] = spec.default
    node.filled += (spec.name,)
    return []


def _take(node: ResolvedNode, spec: InputSpec, value: Any, folders: Folders) -> BrokenInput | None:
    """Add the typed-in value to the node, or say what is wrong with it."""
    if value is None and not spec.required:
        return None  # As good as not given.
    try:
        if isinstance(spec.marker, FileChoice):
            path = named_file(spec.marker, value, folders)
            if path is not None:
                node.files[spec.name] = path
            node.literals[spec.name] = value
        else:
            node.literals[spec.name] = coerce(spec, value)
    except (ValueWrong, ModelMissing) as error:
        code = error.code if isinstance(error, ValueWrong) else "value_not_in_list"
        if code in OF_THE_CLASS and takes_input(node.spec.validate, spec.name):
            node.literals[spec.name] = error.value if isinstance(error, ValueWrong) else value
            return None
        return BrokenInput(code, error.message, error.remedy, spec.name)
    return None


def _own_validation(node: ResolvedNode, folders: Folders, upstream: Mapping[str, NodeSpec | None]) -> list[BrokenInput]:
    assert node.spec.validate is not None
    defaults = {
        s.name: s.default for s in node.spec.given_inputs if s.default is not NO_DEFAULT and s.name not in node.links
    }
    no_models: Any = None  # Checking loads none, nor what it takes to load them.
    ctx = Context(folders, no_models, node_id=node.id, class_type=node.class_type)
    try:
        found = call_with_known(node.spec.validate, ctx, {**defaults, **node.literals, **_linked_types(node, upstream)})
    except Exception as error:  # noqa: BLE001 - a user's function; whatever it raises is a problem of the workflow
        text = f"checking the inputs failed: {type(error).__name__}: {error}"
        return [BrokenInput("exception_during_validation", text, getattr(error, "remedy", ""))]
    if found is None or found is True:
        return []
    return [BrokenInput("custom_validation_failed", str(found) if found else "the node does not take these inputs")]


def _linked_types(node: ResolvedNode, upstream: Mapping[str, NodeSpec | None]) -> dict[str, dict[str, str]]:
    """What there is under ``LINKED_TYPES``: nothing for checks that do not name it."""
    if not names_input(node.spec.validate, LINKED_TYPES):
        return {}
    makers = ((name, link, upstream[link.node_id]) for name, link in node.links.items())
    return {
        LINKED_TYPES: {
            name: maker.outputs[link.slot].wire
            for name, link, maker in makers
            if maker is not None and link.slot < len(maker.outputs)
        }
    }
