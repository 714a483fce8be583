"""Fields such as ``%KSampler.seed%`` in file name prefixes: the front end fills in the widget's value."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.convert.litegraph import UiNode
from engine.convert.virtual import PRIMITIVE, primitive_value
from engine.workflow import NodeDocument

NAME_PROPERTY = "Node name for S&R"
"""What people change to name a node in fields; it is the class where they do not."""

_FIELD = re.compile(r"%([^%.]+)\.([^%.]+)%")
_UNSAFE = re.compile(r'[/?<>\\:*|"\x00-\x1f\x7f]')


@dataclass(frozen=True, slots=True)
class NamedNode:
    """A node that fields may name, whether it runs or not. ``values``: by widget."""

    node: UiNode
    values: Mapping[str, Any]

    @property
    def name(self) -> str:
        """What a field calls it first of all."""
        return str(self.node.properties.get(NAME_PROPERTY) or self.node.type)


def fill_fields(
    nodes: Mapping[str, NodeDocument], all_nodes: Callable[[], Iterable[NamedNode]]
) -> dict[str, NodeDocument]:
    """The nodes with the fields of their ``filename_prefix`` filled in; a field that names nothing stays as it is.

    A field names a node by its property for that or, failing that, by its title, and one of its widgets. ``all_nodes``
    is asked for the file's nodes, in its order, if there is any field.
    """
    if not any(_FIELD.search(str(node.inputs.get("filename_prefix", ""))) for node in nodes.values()):
        return dict(nodes)
    by_name: dict[str, NamedNode] = {}
    named = list(all_nodes())
    for each in named:
        by_name.setdefault(each.name, each)
    for each in named:
        if each.node.title is not None:
            by_name.setdefault(each.node.title, each)
    return {node_id: _filled(node, by_name) for node_id, node in nodes.items()}


def widget_values(node: UiNode, own: Mapping[str, Any], sent: Mapping[str, Any]) -> Mapping[str, Any]:
    """A node's values by widget: those that are ``sent`` count more than its ``own``, links do not."""
    if node.type == PRIMITIVE:
        found, value = primitive_value(node)
        return {"value": value} if found else {}
    return {**own, **{name: value for name, value in sent.items() if not isinstance(value, list)}}


def _filled(node: NodeDocument, by_name: Mapping[str, NamedNode]) -> NodeDocument:
    prefix = node.inputs.get("filename_prefix")
    if not isinstance(prefix, str):
        return node

    def value_of(match: re.Match[str]) -> str:
        named = by_name.get(match[1])
        value: Any = named.values.get(match[2]) if named else None
        return match[0] if isinstance(value, list | dict | None) else _UNSAFE.sub("_", str(value))

    return node.model_copy(update={"inputs": {**node.inputs, "filename_prefix": _FIELD.sub(value_of, prefix)}})
