"""A workflow in API form that is being built, a node at a time."""

from __future__ import annotations

from typing import Any

Link = list[Any]


class Prompt:
    """Nodes get the ids 1, 2, 3 ... in the order in which they are added."""

    def __init__(self) -> None:
        self.nodes: dict[str, dict[str, Any]] = {}

    def add(self, class_type: str, title: str, **inputs: Any) -> str:
        """Add a node; its id."""
        node_id = str(len(self.nodes) + 1)
        self.nodes[node_id] = {"class_type": class_type, "inputs": inputs, "_meta": {"title": title}}
        return node_id


def output(node_id: str, slot: int = 0) -> Link:
    """A link to a node's output."""
    return [node_id, slot]
