"""Nodes that exist for the user interface only: what they forward, and which mean nothing to a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.convert.litegraph import UiNode

PRIMITIVE = "PrimitiveNode"
GET_NODE = "GetNode"
SET_NODE = "SetNode"
# Output i of these is whatever their input i is fed.
_FORWARDING = frozenset(("Reroute", "Reroute (rgthree)", SET_NODE))
_OTHERS = frozenset(
    (
        PRIMITIVE,
        GET_NODE,
        "Note",
        "MarkdownNote",
        "Label (rgthree)",
        "Bookmark (rgthree)",
        "Fast Actions Button (rgthree)",
        "Fast Bypasser (rgthree)",
        "Fast Groups Bypasser (rgthree)",
        "Fast Groups Muter (rgthree)",
        "Fast Muter (rgthree)",
        "Mute / Bypass Relay (rgthree)",
        "Mute / Bypass Repeater (rgthree)",
        "Node Collector (rgthree)",
        "Random Unmuter (rgthree)",
        # Their links are in the file's list of broadcasts.
        "Anything Everywhere",
        "Anything Everywhere?",
        "Anything Everywhere3",
        "Prompts Everywhere",
        "Seed Everywhere",
    )
)


def is_virtual(node: UiNode, *, known: bool) -> bool:
    """Whether the node never runs. ``known``: whether the registry has its class, which settles that it does.

    Besides the listed classes, nothing can flow through a node of an unknown class with neither inputs nor outputs: it
    is some extension's label or button.
    """
    return not known and (is_listed(node) or not node.is_linkable)


def is_listed(node: UiNode) -> bool:
    """Whether the class is known to be the user interface's alone."""
    return node.type in _FORWARDING or node.type in _OTHERS


def is_forwarding(node: UiNode) -> bool:
    """Whether output i is input i."""
    return node.type in _FORWARDING


def primitive_value(node: UiNode) -> tuple[bool, Any]:
    """Whether a PrimitiveNode holds a value, and which."""
    if isinstance(node.values, Mapping):
        return next(((True, value) for value in node.values.values()), (False, None))
    return (True, node.values[0]) if node.values else (False, None)


def variable_name(node: UiNode) -> str | None:
    """The variable that a GetNode reads or a SetNode writes."""
    found, value = primitive_value(node)
    return value if found and isinstance(value, str) else None
