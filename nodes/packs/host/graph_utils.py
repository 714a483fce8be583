"""``comfy_execution.graph_utils``: building the graph that a node stands for."""

from __future__ import annotations

import itertools
from typing import Any


class ExecutionBlocker:
    """Returned in an output's place: what reads it does not run; with a message that is an error."""

    def __init__(self, message: str | None) -> None:
        self.message = message


def is_link(obj: Any) -> bool:
    """Whether the value is ``[node id, slot]``."""
    return (
        isinstance(obj, list)
        and len(obj) == 2
        and isinstance(obj[0], str)
        and isinstance(obj[1], int | float)
        and not isinstance(obj[1], bool)
    )


class Node:
    """A node of a graph that is being built."""

    def __init__(self, id: str, class_type: str, inputs: dict[str, Any]) -> None:
        self.id, self.class_type, self.inputs = id, class_type, inputs
        self.override_display_id: str | None = None

    def out(self, index: int) -> list[Any]:
        """A link to one of its outputs."""
        return [self.id, index]

    def set_input(self, key: str, value: Any) -> None:
        """Give it a value or a link; ``None`` takes it away."""
        if value is None:
            self.inputs.pop(key, None)
        else:
            self.inputs[key] = value

    def get_input(self, key: str) -> Any:
        """What it has."""
        return self.inputs.get(key)

    def set_override_display_id(self, override_display_id: str) -> None:
        """Show it as another node."""
        self.override_display_id = override_display_id

    def serialize(self) -> dict[str, Any]:
        """In API form."""
        made: dict[str, Any] = {"class_type": self.class_type, "inputs": self.inputs}
        return made if self.override_display_id is None else {**made, "override_display_id": self.override_display_id}


class GraphBuilder:
    """Builds a graph in API form."""

    _default_prefix_root = ""
    _numbers = itertools.count(1)

    def __init__(self, prefix: str | None = None) -> None:
        self.prefix = f"{next(self._numbers)}." if prefix is None else prefix
        self.nodes: dict[str, Node] = {}
        self.id_gen = 1

    @classmethod
    def set_default_prefix(cls, *_: Any) -> None:
        """Ids are our own."""

    @classmethod
    def alloc_prefix(cls, *_: Any) -> str:
        """A prefix for ids that no other has."""
        return f"{next(cls._numbers)}."

    def node(self, class_type: str, id: str | None = None, **inputs: Any) -> Node:
        """A node; one of the same id is the same node."""
        if id is None:
            id, self.id_gen = str(self.id_gen), self.id_gen + 1  # noqa: A001
        whole = f"{self.prefix}{id}"
        if whole not in self.nodes:
            self.nodes[whole] = Node(whole, class_type, inputs)
        return self.nodes[whole]

    def lookup_node(self, id: str) -> Node | None:
        """The node of that id."""
        return self.nodes.get(f"{self.prefix}{id}")

    def finalize(self) -> dict[str, Any]:
        """All of it in API form."""
        return {node_id: node.serialize() for node_id, node in self.nodes.items()}

    def replace_node_output(self, node_id: str, index: int, new_value: Any) -> None:
        """Whatever reads that output gets ``new_value`` instead; ``None`` takes the inputs away."""
        link = [f"{self.prefix}{node_id}", index]
        for node in self.nodes.values():
            for key, value in list(node.inputs.items()):
                if value == link:
                    node.set_input(key, new_value)

    def remove_node(self, id: str) -> None:
        """Take the node away."""
        self.nodes.pop(f"{self.prefix}{id}", None)
