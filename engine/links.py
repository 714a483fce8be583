"""Reads the links among a node's inputs, and says what is wrong with those that lead nowhere or do not fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from engine.dynamic import all_nested_inputs
from engine.inputs import Growing
from engine.schema import MATCHED, InputSpec, NodeSpec
from engine.types import Link
from engine.workflow import NodeDocument


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
    for name, _ in given_inputs(spec, inputs):
        value = inputs.get(name)
        if not isinstance(value, list):
            continue
        link = _as_link(value)
        if link is not None and link.node_id in nodes:
            links[name] = link
        elif spec is not None:
            broken.append(_broken_link(name, value, link))
    return links, broken


def given_inputs(spec: NodeSpec | None, inputs: Mapping[str, Any]) -> Iterator[tuple[str, InputSpec | None]]:
    """Names that count, with what is known of them: the class's inputs, and any others where it takes any.

    After a choice come the inputs of the option that is chosen; a growing input is the inputs that it stands for.
    """
    if spec is None:
        yield from ((name, None) for name in inputs)
        return
    for given in spec.given_inputs:
        if not isinstance(given.marker, Growing):
            yield given.name, given
        if given.name in spec.dynamic_inputs:
            nested = all_nested_inputs(given, inputs)
            yield from ((one.name, one) for one in nested if not isinstance(one.marker, Growing))
    if spec.accepts_any_input:
        yield from ((name, None) for name in sorted(inputs.keys() - spec.inputs.keys()))


def _as_link(value: list[Any]) -> Link | None:
    if len(value) != 2 or any(isinstance(part, bool) for part in value):
        return None
    node_id, slot = value
    # Some writers give node ids as numbers; the document's own ids are always texts.
    if isinstance(node_id, int) and 0 <= node_id < 2**63:
        node_id = str(node_id)
    if isinstance(slot, float) and slot.is_integer():
        slot = int(slot)
    return Link(node_id, slot) if isinstance(node_id, str) and isinstance(slot, int) and slot >= 0 else None


def _broken_link(name: str, value: list[Any], link: Link | None) -> BrokenInput:
    if link is not None:
        message = f"it is linked to node '{link.node_id}', which is not in the workflow"
        return BrokenInput("bad_linked_input", message, "link it to a node that is there", name)
    text = repr(value)
    shown = text if len(text) <= 80 else f"{text[:77]}..."
    remedy = 'a link is [node id, output slot]; a value that is a list is written {"__value__": [...]}'
    return BrokenInput("bad_linked_input", f"{shown} is not a link", remedy, name)


def mismatch(name: str, taken: InputSpec | None, link: Link, upstream: NodeSpec | None) -> BrokenInput | None:
    """What is wrong with a link to an input; ``taken``: what is known of the input."""
    if upstream is None:
        return None  # Its class is not known, which is a problem of its own.
    outputs = upstream.outputs
    if link.slot >= len(outputs):
        count = len(outputs)
        message = f"node '{link.node_id}' ({upstream.name}) has no output slot {link.slot}"
        slots = ", ".join(f"{slot} ({output.wire})" for slot, output in enumerate(outputs))
        return BrokenInput("bad_linked_input", message, f"it has: {slots}" if count else "it has no outputs", name)
    wire = outputs[link.slot].wire
    if taken is None or wires_fit(wire, taken.takes):
        return None
    message = f"it takes {taken.takes}, but output {link.slot} of node '{link.node_id}' ({upstream.name}) is {wire}"
    fitting = [str(slot) for slot, output in enumerate(outputs) if wires_fit(output.wire, taken.takes)]
    remedy = (
        f"use output {' or '.join(fitting)} of that node" if fitting else f"link it to a node that makes {taken.takes}"
    )
    return BrokenInput("return_type_mismatch", message, remedy, name)


def wires_fit(made: str, taken: str) -> bool:
    """Whether an output of type ``made`` may go into an input of type ``taken``: ``"A,B"`` is either, ``"*"`` any."""
    if made in (taken, "*", MATCHED) or taken == "*":
        return True
    either, other = {*map(str.strip, made.split(","))}, {*map(str.strip, taken.split(","))}
    return "*" in either | other or not either.isdisjoint(other)
