"""Changes to a workflow's inputs, as people type them: ``NODE.INPUT=VALUE``, NODE being an id, a title or a class."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from engine.errors import GraphInvalid, Problem
from engine.inputs import Int
from engine.links import given_inputs
from engine.schema import NodeSpec
from engine.suggest import nearest
from engine.workflow import NodeDocument, Workflow

_CODE = "invalid_override"
_SEEDS = ("seed", "noise_seed")
_PRIMITIVE_INPUT = "value"  # of PrimitiveInt and its like
_SHOWN = 8
_NO_CLASSES: Mapping[str, NodeSpec] = MappingProxyType({})


def apply_overrides(
    workflow: Workflow, overrides: Iterable[str], registry: Mapping[str, NodeSpec] = _NO_CLASSES
) -> Workflow:
    """The workflow with each ``NODE.INPUT=VALUE`` applied in order.

    An id goes before a title, a title before a class; a title or class that several nodes share is refused. VALUE is
    read as JSON where it is JSON (``7``, ``true``, ``"7"``, ``["4", 0]`` for a link), else as the text it is. An input
    must be there already, or be one of its class in ``registry``. Raises ``GraphInvalid`` naming everything wrong,
    with candidates.
    """
    pairs = [override.partition("=") for override in overrides]
    malformed = [_wrong_form(f"'{target}' sets nothing") for target, equals, _ in pairs if not equals]
    values = [(target, _value_of(text)) for target, equals, text in pairs if equals]
    return _with_inputs(workflow, values, registry, malformed)


def set_inputs(
    workflow: Workflow, values: Mapping[str, Any], registry: Mapping[str, NodeSpec] = _NO_CLASSES
) -> Workflow:
    """The same for values as JSON has them, by ``NODE.INPUT``: texts stay texts. Raises ``GraphInvalid``."""
    return _with_inputs(workflow, values.items(), registry)


def _with_inputs(
    workflow: Workflow,
    values: Iterable[tuple[str, Any]],
    registry: Mapping[str, NodeSpec],
    malformed: Sequence[Problem] = (),
) -> Workflow:
    nodes = dict(workflow.nodes)
    problems = list(malformed)
    for target, value in values:
        found = _find(target, nodes, registry)
        if isinstance(found, Problem):
            problems.append(found)
        else:
            node_id, name = found
            nodes[node_id] = _with_input(nodes[node_id], name, value)
    if problems:
        raise GraphInvalid(problems)
    return workflow.model_copy(update={"nodes": nodes})


def set_seeds(workflow: Workflow, registry: Mapping[str, NodeSpec], seed: int) -> Workflow:
    """The workflow with every typed-in seed set to ``seed``, and the number of a primitive that a seed is linked to.

    Seeds are inputs named ``seed`` or ``noise_seed``, and whole numbers of the class whose name has "seed" in it.
    """
    sources = _seed_sources(workflow.nodes, registry)
    nodes = {}
    for node_id, node in workflow.nodes.items():
        spec = registry.get(node.class_type)
        numbers = [name for name, value in node.inputs.items() if _is_number(value)]
        seeds = {k: seed for k in numbers if _is_seed(k, spec) or (k == _PRIMITIVE_INPUT and node_id in sources)}
        nodes[node_id] = node.model_copy(update={"inputs": {**node.inputs, **seeds}}) if seeds else node
    return workflow.model_copy(update={"nodes": nodes})


def _seed_sources(nodes: Mapping[str, NodeDocument], registry: Mapping[str, NodeSpec]) -> set[str]:
    """Ids of the nodes that seeds are linked to."""
    return {
        str(value[0])
        for node in nodes.values()
        for name, value in node.inputs.items()
        if isinstance(value, list) and value and _is_seed(name, registry.get(node.class_type))
    }


def _is_seed(name: str, spec: NodeSpec | None) -> bool:
    if name in _SEEDS:
        return True
    return "seed" in name and spec is not None and name in spec.inputs and isinstance(spec.inputs[name].marker, Int)


def nodes_named(name: str, nodes: Mapping[str, NodeDocument]) -> list[str]:
    """Ids of the nodes that ``name`` means: see :func:`find_node`. Raises ``GraphInvalid`` where there is none."""
    found = find_node(name, nodes)
    if not found:
        raise GraphInvalid([_no_such_node(name, nodes)])
    return found


def find_node(name: str, nodes: Mapping[str, NodeDocument]) -> list[str]:
    """Ids of the nodes that ``name`` can mean: the one of that id, else all of that title, else all of that class."""
    if name in nodes:
        return [name]
    titled = [node_id for node_id, node in nodes.items() if node.title == name]
    return titled or [node_id for node_id, node in nodes.items() if node.class_type == name]


def _find(
    target: str, nodes: Mapping[str, NodeDocument], registry: Mapping[str, NodeSpec]
) -> tuple[str, str] | Problem:
    """The node and input that ``target`` names, or what is wrong with it. Ids, titles and inputs may hold dots."""
    best: Problem | None = None
    for name, input_name in _splits(target):
        matches = find_node(name, nodes)
        if len(matches) == 1 and _has_input(nodes[matches[0]], input_name, registry):
            return matches[0], input_name
        if matches and best is None:
            best = (
                _no_such_input(matches[0], nodes[matches[0]], input_name, registry)
                if len(matches) == 1
                else _ambiguous(name, matches, nodes)
            )
    names = [name for name, _ in _splits(target)]
    return best or (_no_such_node(names[0], nodes) if names else _wrong_form(f"'{target}' names no input"))


def _splits(target: str) -> Iterator[tuple[str, str]]:
    """``a.b.c`` as (a.b, c), then (a, b.c)."""
    at = target.rfind(".")
    while at > 0:
        if target[at + 1 :].strip():
            yield target[:at].strip(), target[at + 1 :].strip()
        at = target.rfind(".", 0, at)


def _has_input(node: NodeDocument, name: str, registry: Mapping[str, NodeSpec]) -> bool:
    spec = registry.get(node.class_type)
    if name in node.inputs or (spec is not None and spec.accepts_any_input):
        return True
    return spec is not None and any(name == given for given, _ in given_inputs(spec, {**node.inputs, name: None}))


def _value_of(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return text


def _refuse(constant: str) -> float:
    raise ValueError(constant)


def _with_input(node: NodeDocument, name: str, value: Any) -> NodeDocument:
    return node.model_copy(update={"inputs": {**node.inputs, name: value}})


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _wrong_form(message: str) -> Problem:
    return Problem(_CODE, message, "write NODE.INPUT=VALUE, for example KSampler.steps=20")


def _no_such_node(name: str, nodes: Mapping[str, NodeDocument]) -> Problem:
    known = {*nodes, *(node.title or "" for node in nodes.values()), *(node.class_type for node in nodes.values())}
    near = nearest(name, known - {""})
    remedy = f"did you mean {near}?" if near else f"there are: {_listed(nodes, nodes)}"
    return Problem(_CODE, f"no node has the id, title or class '{name}'", remedy)


def _no_such_input(node_id: str, node: NodeDocument, name: str, registry: Mapping[str, NodeSpec]) -> Problem:
    spec = registry.get(node.class_type)
    named = [n for n, s in spec.inputs.items() if not s.hidden] if spec else []
    known = [*node.inputs, *(n for n in named if n not in node.inputs)]
    near = nearest(name, known)
    remedy = f"did you mean {near}?" if near else f"there are: {', '.join(known) or 'none'}"
    return Problem(_CODE, f"it has no input '{name}'", remedy, node_id=node_id, class_type=node.class_type)


def _ambiguous(name: str, matches: list[str], nodes: Mapping[str, NodeDocument]) -> Problem:
    message = f"'{name}' can mean {len(matches)} nodes"
    return Problem(_CODE, message, f"give the id of one of: {_listed(matches, nodes)}")


def _listed(ids: Iterable[str], nodes: Mapping[str, NodeDocument]) -> str:
    ids = list(ids)
    texts = [f"{i} ({nodes[i].title or nodes[i].class_type})" for i in ids[:_SHOWN]]
    return ", ".join([*texts, *(["..."] if len(ids) > _SHOWN else [])])
