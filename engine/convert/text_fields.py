"""Fields such as ``%KSampler.seed%`` in file name prefixes: the front end fills in the widget's value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from engine.workflow import NodeDocument

_FIELD = re.compile(r"%([^%.]+)\.([^%.]+)%")
_UNSAFE = re.compile(r'[/?<>\\:*|"\x00-\x1f\x7f]')


def fill_fields(nodes: Mapping[str, NodeDocument]) -> dict[str, NodeDocument]:
    """The nodes with the fields of their ``filename_prefix`` filled in; a field that names nothing stays as it is.

    A field names a node by class or, failing that, by title, and one of its inputs that has a value.
    """
    if not any(_FIELD.search(str(node.inputs.get("filename_prefix", ""))) for node in nodes.values()):
        return dict(nodes)
    by_name: dict[str, NodeDocument] = {}
    for node in nodes.values():
        by_name.setdefault(node.class_type, node)
    for node in nodes.values():
        if node.title is not None:
            by_name.setdefault(node.title, node)
    return {node_id: _filled(node, by_name) for node_id, node in nodes.items()}


def _filled(node: NodeDocument, by_name: Mapping[str, NodeDocument]) -> NodeDocument:
    prefix = node.inputs.get("filename_prefix")
    if not isinstance(prefix, str):
        return node

    def value_of(match: re.Match[str]) -> str:
        named = by_name.get(match[1])
        value: Any = named.inputs.get(match[2]) if named else None
        return match[0] if isinstance(value, list | dict | None) else _UNSAFE.sub("_", str(value))

    return node.model_copy(update={"inputs": {**node.inputs, "filename_prefix": _FIELD.sub(value_of, prefix)}})
