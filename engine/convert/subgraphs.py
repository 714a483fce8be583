"""Subgraph instances expanded into scopes: one for the root graph, one for every instance, however deeply nested."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from engine.convert.groups import group_graph
from engine.convert.litegraph import UiDocument, UiGraph, UiNode
from engine.convert.promoted import HostValues, read_host_values
from engine.errors import WorkflowUnreadable

MAX_DEPTH = 64
MAX_NODES = 500_000


@dataclass(frozen=True, slots=True, eq=False)
class Scope:
    """A graph in one place: ``prefix`` stands before its nodes' ids (``57:`` inside node 57).

    ``host`` is the node of ``outer`` that the scope is the inside of, ``values`` what it promotes. ``inner`` are the
    scopes of its own subgraph nodes by node id. ``runs``: no host on the way down is muted or bypassed.
    """

    prefix: str
    graph: UiGraph
    host: UiNode | None
    outer: Scope | None
    values: HostValues
    depth: int
    runs: bool
    inner: dict[str, Scope] = field(default_factory=dict)

    def id_of(self, node: UiNode) -> str:
        """The node's id in API form: ``57:8`` for node 8 inside node 57."""
        return self.prefix + node.id

    def is_inside(self, graph: UiGraph) -> bool:
        """Whether this scope or one around it shows ``graph``."""
        scope: Scope | None = self
        while scope is not None:
            if scope.graph is graph:
                return True
            scope = scope.outer
        return False


def expand(document: UiDocument) -> Scope:
    """The root scope with all scopes inside it.

    Raises ``WorkflowUnreadable`` where a subgraph contains itself, or where there would be too many nodes.
    """
    root = Scope("", document.root, None, None, HostValues({}, {}), 0, runs=True)
    waiting = [root]
    count = 0
    while waiting:
        scope = waiting.pop()
        count += len(scope.graph.nodes)
        if count > MAX_NODES:
            raise WorkflowUnreadable(f"with its subgraphs expanded the workflow has more than {MAX_NODES:,} nodes")
        for node in scope.graph.nodes.values():
            graph = document.subgraphs.get(node.type) or group_graph(node, document.extra)
            if graph is not None:
                inner = _enter(scope, node, graph)
                scope.inner[node.id] = inner
                waiting.append(inner)
    return root


def _enter(scope: Scope, host: UiNode, graph: UiGraph) -> Scope:
    where = f"node {scope.id_of(host)}"
    if scope.is_inside(graph):
        raise WorkflowUnreadable(f"{where}: subgraph '{graph.name}' contains itself")
    if scope.depth >= MAX_DEPTH:
        raise WorkflowUnreadable(f"{where}: subgraphs are nested more than {MAX_DEPTH} deep")
    values = read_host_values(host, graph)
    prefix = f"{scope.id_of(host)}:"
    return Scope(prefix, graph, host, scope, values, scope.depth + 1, runs=scope.runs and host.runs)


def walk(root: Scope) -> Iterator[tuple[Scope, UiNode]]:
    """Every node that is no subgraph, in the file's order, those of a subgraph in its place."""
    stack: list[Iterator[tuple[Scope, UiNode]]] = [_nodes(root)]
    while stack:
        found = next(stack[-1], None)
        if found is None:
            stack.pop()
            continue
        scope, node = found
        inner: Mapping[str, Scope] = scope.inner
        if node.id in inner:
            stack.append(_nodes(inner[node.id]))
        else:
            yield scope, node


def _nodes(scope: Scope) -> Iterator[tuple[Scope, UiNode]]:
    return ((scope, node) for node in scope.graph.nodes.values())
