"""What a run tells: events while it goes on, and each wanted node's result at its end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from engine.entry import Entry
from engine.events import EventLog, NodeBlocked, NodeFinished, NodeStarted
from engine.resolved import ResolvedNode
from engine.result import NodeResult

Shown = Mapping[str, tuple[Any, ...]]


class Report:
    """Collects results by node id. ``display_ids``: which of the workflow's nodes a node of an expansion belongs to."""

    def __init__(self, log: EventLog, wanted: Iterable[str]) -> None:
        self.results: dict[str, NodeResult] = {}
        self.seconds: dict[str, float] = {}
        self.display_ids: dict[str, str] = {}
        self._log = log
        self._wanted = frozenset(wanted)

    def display_id(self, node_id: str) -> str:
        """The id of the workflow's node, as clients know it."""
        return self.display_ids.get(node_id, node_id)

    def started(self, node: ResolvedNode) -> None:
        """The node's function is about to be called."""
        self._log.emit(NodeStarted(node_id=node.id, class_type=node.class_type, display_id=self.display_id(node.id)))

    def finished(self, node: ResolvedNode, entry: Entry, own: Shown, shown: Shown, seconds: float) -> None:
        """The node ran. ``own`` is what it showed itself; ``shown`` has also what the nodes of its expansion did."""
        if entry.blocked is not None:
            self._log.emit(
                NodeBlocked(
                    node_id=node.id,
                    class_type=node.class_type,
                    display_id=self.display_id(node.id),
                    message=entry.blocked,
                )
            )
        self.seconds[node.id] = seconds
        self._emit_finished(node, own, cached=False, seconds=seconds)
        if node.id in self._wanted or (entry.shown and node.id not in self.display_ids):
            self._add_result(node, entry, shown, cached=False)

    def known(self, node: ResolvedNode, entry: Entry, shown: Shown) -> None:
        """The node is wanted, and its outputs are known already."""
        if node.spec.output_node:
            self._emit_finished(node, shown, cached=True, seconds=0.0)
        if node.id in self._wanted:
            self._add_result(node, entry, shown, cached=True)

    def _emit_finished(self, node: ResolvedNode, shown: Shown, *, cached: bool, seconds: float) -> None:
        event = NodeFinished(
            node_id=node.id,
            class_type=node.class_type,
            display_id=self.display_id(node.id),
            shown=shown,
            cached=cached,
            seconds=seconds,
        )
        self._log.emit(event)

    def _add_result(self, node: ResolvedNode, entry: Entry, shown: Shown, *, cached: bool) -> None:
        values = entry.values if node.id in self._wanted else ()
        self.results[node.id] = NodeResult(node.id, node.class_type, shown, cached, values, entry.blocked)
