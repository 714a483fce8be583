"""Links that the "Anything Everywhere" extension draws to inputs of a type; files keep them beside the graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.convert.litegraph import UiDocument, UiNode
from engine.convert.modes import types_connect

Target = tuple[str, int]


def read_broadcasts(document: UiDocument) -> Mapping[Target, tuple[str, int]]:
    """What is broadcast to the root graph's unlinked inputs: (node id, input) to (origin id, output)."""
    listed = document.extra.get("ue_links")
    found: dict[Target, tuple[str, int]] = {}
    for entry in listed if isinstance(listed, list) else ():
        if not isinstance(entry, dict):
            continue
        node = document.root.nodes.get(str(entry.get("downstream")))
        slot, origin_slot = entry.get("downstream_slot"), entry.get("upstream_slot")
        if node is None or type(slot) is not int or type(origin_slot) is not int or origin_slot < 0:
            continue
        index = _unlinked_input(node, slot, entry.get("type"), found)
        if index is not None:
            found[node.id, index] = (str(entry.get("upstream")), origin_slot)
    return found


def _unlinked_input(node: UiNode, slot: int, wire: Any, taken: Mapping[Target, object]) -> int | None:
    """The input meant: number ``slot``, or where files left widget inputs out, the first free one of the type."""
    candidates = [slot, *range(len(node.inputs))] if 0 <= slot < len(node.inputs) else range(len(node.inputs))
    for index in candidates:
        meant = node.inputs[index]
        free = meant.link is None and (node.id, index) not in taken
        if free and isinstance(wire, str) and types_connect(meant.type, wire):
            return index
    return None
