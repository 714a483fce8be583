"""Resolves one node: reads its links, turns its typed-in values into their types, and lists what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.calls import call_with_known, names_input
from engine.coerce import ValueWrong, coerce
from engine.context import Context
from engine.errors import ModelMissing
from engine.file_inputs import named_file
from engine.folders import Folders
from engine.inputs import FileChoice
from engine.resolved import ResolvedNode
from engine.schema import NO_DEFAULT, InputSpec, NodeSpec
from engine.types import Link
from engine.workflow import NodeDocument

if TYPE_CHECKING:
    from engine.model_store import ModelStore


@dataclass(frozen=True, slots=True)
class BrokenInput:
    """One thing that is wrong with a node, without saying which node."""

    code: str
    message: str
    remedy: str = ""
    input: str | None = None


def read_links(
    spec: NodeSpec | None, inputs: Mapping[str, Any], nodes: Mapping[str, NodeDocument]
) -> tuple[dict[str, Link], list[BrokenInput]]:
    """The links among a node's inputs, in the order of the class's inputs; those to nowhere are listed as broken.

    Inputs that the class does not have are ignored, as in ComfyUI. Of an unknown class (``None``), everything that
    looks like a link is taken for one.
    """
    links: dict[str, Link] = {}
    broken: list[BrokenInput] = []
    for name, _ in _given(spec, inputs):
        value = inputs.get(name)
        if not isinstance(value, list):
            continue
        link = _as_link(value)
        if link is not None and link.node_id in nodes:
            links[name] = link
        elif spec is not None:
            broken.append(_broken_link(name, value, link))
    return links, broken


def resolve(
    node_id: str,
    node: NodeDocument,
    spec: NodeSpec,
    links: dict[str, Link],
    upstream: Mapping[str, NodeSpec | None],
    folders: Folders,
    models: ModelStore,
) -> tuple[ResolvedNode, list[BrokenInput]]:
    """The node, and what is wrong with its inputs. ``upstream``: the classes it has links to (``None``: not known)."""
    resolved = ResolvedNode(node_id, node.class_type, spec, {}, links)
    broken = [b for name, link in links.items() if (b := _mismatch(spec, name, link, upstream[link.node_id]))]
    for name, known in _given(spec, node.inputs):
        value = node.inputs.get(name, NO_DEFAULT)
        if value is NO_DEFAULT:
            if known is not None and known.required:
                broken.append(_missing(known))
        elif isinstance(value, list):
            pass  # A link, read before.
        elif known is None:
            resolved.literals[name] = value
        elif wrong := _take(resolved, known, value, folders):
            broken.append(wrong)
    if spec.lazy_inputs:
        resolved.lazy = spec.lazy_inputs & links.keys()
    if spec.validate is not None and not broken:
        broken += _own_validation(resolved, folders, models)
    return resolved, broken


def _given(spec: NodeSpec | None, inputs: Mapping[str, Any]) -> Iterator[tuple[str, InputSpec | None]]:
    """Names that count, with what is known of them: the class's inputs, and any others where it takes any."""
    if spec is None:
        yield from ((name, None) for name in inputs)
        return
    for given in spec.given_inputs:
        yield given.name, given
    if spec.accepts_any_input:
        yield from ((name, None) for name in sorted(inputs.keys() - spec.inputs.keys()))


def _as_link(value: list[Any]) -> Link | None:
    if len(value) != 2 or isinstance(value[1], bool) or not isinstance(value[1], int | float):
        return None
    node_id, slot = value
    # Some writers give node ids as numbers; the document's own ids are always texts.
    if isinstance(node_id, int) and not isinstance(node_id, bool):
        node_id = str(node_id)
    return Link(node_id, int(slot)) if isinstance(node_id, str) and slot == int(slot) >= 0 else None


def _broken_link(name: str, value: list[Any], link: Link | None) -> BrokenInput:
    if link is not None:
        message = f"it is linked to node '{link.node_id}', which is not in the workflow"
        return BrokenInput("bad_linked_input", message, "link it to a node that is there", name)
    text = repr(value)
    shown = text if len(text) <= 80 else f"{text[:77]}..."
    remedy = 'a link is [node id, output slot]; a value that is a list is written {"__value__": [...]}'
    return BrokenInput("bad_linked_input", f"{shown} is not a link", remedy, name)


def _mismatch(spec: NodeSpec, name: str, link: Link, upstream: NodeSpec | None) -> BrokenInput | None:
    if upstream is None:
        return None  # Its class is not known, which is a problem of its own.
    outputs = upstream.outputs
    if link.slot >= len(outputs):
        count = len(outputs)
        message = f"node '{link.node_id}' ({upstream.name}) has no output slot {link.slot}"
        slots = ", ".join(f"{slot} ({output.wire})" for slot, output in enumerate(outputs))
        return BrokenInput("bad_linked_input", message, f"it has: {slots}" if count else "it has no outputs", name)
    taken = spec.inputs.get(name)
    wire = outputs[link.slot].wire
    if taken is None or wires_fit(wire, taken.wire):
        return None
    message = f"it takes {taken.wire}, but output {link.slot} of node '{link.node_id}' ({upstream.name}) is {wire}"
    fitting = [str(slot) for slot, output in enumerate(outputs) if wires_fit(output.wire, taken.wire)]
    remedy = (
        f"use output {' or '.join(fitting)} of that node" if fitting else f"link it to a node that makes {taken.wire}"
    )
    return BrokenInput("return_type_mismatch", message, remedy, name)


def wires_fit(made: str, taken: str) -> bool:
    """Whether an output of type ``made`` may go into an input of type ``taken``; ``"A,B"`` means either, ``"*"`` any."""
    if made == taken or made == "*" or taken == "*":
        return True
    return not {*map(str.strip, made.split(","))}.isdisjoint({"*", *map(str.strip, taken.split(","))})


def _missing(spec: InputSpec) -> BrokenInput:
    if not spec.is_widget:
        return BrokenInput(
            "required_input_missing", "it is not linked", f"link it to a node that makes {spec.wire}", spec.name
        )
    usual = f"; the usual value is {spec.default!r}" if spec.default is not NO_DEFAULT else ""
    return BrokenInput("required_input_missing", "it has no value", f"give it a {spec.wire} value{usual}", spec.name)


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
        if code == "value_not_in_list" and names_input(node.spec.validate, spec.name):
            node.literals[spec.name] = value  # The class checks this one itself.
            return None
        return BrokenInput(code, error.message, error.remedy, spec.name)
    return None


def _own_validation(node: ResolvedNode, folders: Folders, models: ModelStore) -> list[BrokenInput]:
    assert node.spec.validate is not None
    defaults = {
        s.name: s.default for s in node.spec.given_inputs if s.default is not NO_DEFAULT and s.name not in node.links
    }
    ctx = Context(folders, models, node_id=node.id, class_type=node.class_type)
    try:
        found = call_with_known(node.spec.validate, ctx, {**defaults, **node.literals})
    except Exception as error:  # noqa: BLE001 - a user's function; whatever it raises is a problem of the workflow
        text = f"checking the inputs failed: {type(error).__name__}: {error}"
        return [BrokenInput("exception_during_validation", text, getattr(error, "remedy", ""))]
    if found is None or found is True:
        return []
    return [BrokenInput("custom_validation_failed", str(found) if found else "the node does not take these inputs")]
