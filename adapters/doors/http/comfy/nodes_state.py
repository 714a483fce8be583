"""How far each node of a run is, as ``progress_state`` messages tell it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# A message lists the nodes that run and this many that have finished, so that it stays small for the largest graphs.
_FINISHED_LISTED = 200


@dataclass
class _Node:
    display_id: str
    class_type: str
    state: str = "running"
    value: float = 0
    max: float = 1


@dataclass
class NodeStates:
    """Nodes by id."""

    _nodes: dict[str, _Node] = field(default_factory=dict)
    _running: dict[str, None] = field(default_factory=dict)
    _finished: deque[str] = field(default_factory=lambda: deque(maxlen=_FINISHED_LISTED))

    def start(self, data: Mapping[str, Any]) -> str:
        """The node of a ``node_started`` event runs; its id."""
        node_id = str(data["node_id"])
        self._nodes[node_id] = _Node(str(data["display_id"] or node_id), str(data["class_type"]))
        self._running[node_id] = None
        return node_id

    def advance(self, node_id: str, value: float, total: float) -> None:
        """It has done ``value`` of ``total``."""
        node = self._nodes.setdefault(node_id, _Node(node_id, ""))
        node.value, node.max = value, total

    def finish(self, data: Mapping[str, Any]) -> str:
        """The node of a ``node_finished`` event has run, or was known; its id."""
        node_id = str(data["node_id"])
        if node_id not in self._nodes:
            self.start(data)
        node = self._nodes[node_id]
        self._running.pop(node_id, None)
        self._finished.append(node_id)
        node.state, node.value = "finished", node.max
        return node_id

    def display_id(self, node_id: str) -> str:
        """The workflow's node that this one belongs to."""
        node = self._nodes.get(node_id)
        return node_id if node is None else node.display_id

    def class_of(self, node_id: str) -> str:
        """Its class; empty where it has not run."""
        node = self._nodes.get(node_id)
        return "" if node is None else node.class_type

    def meta(self, node_id: str) -> dict[str, Any]:
        """Where a node of an expansion belongs, as ``/history`` names it."""
        display_id = self.display_id(node_id)
        parent = None if display_id == node_id else display_id
        return {"node_id": node_id, "display_node": display_id, "parent_node": parent, "real_node_id": display_id}

    def places(self, node_id: str) -> dict[str, Any]:
        """The same, as ``progress_state`` and previews name it."""
        meta = self.meta(node_id)
        return {
            "node_id": node_id,
            "display_node_id": meta["display_node"],
            "parent_node_id": meta["parent_node"],
            "real_node_id": meta["real_node_id"],
        }

    def states(self, prompt_id: str) -> dict[str, Any]:
        """The ``nodes`` of a ``progress_state`` message."""
        return {node_id: self._state(node_id, prompt_id) for node_id in (*self._finished, *self._running)}

    def _state(self, node_id: str, prompt_id: str) -> dict[str, Any]:
        node = self._nodes[node_id]
        state = {"value": node.value, "max": node.max, "state": node.state, "prompt_id": prompt_id}
        return state | self.places(node_id)
