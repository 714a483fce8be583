"""The workflow as a networkx DAG: nodes carry their class and inputs, edges the input name and output slot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

import networkx as nx

from engine.resolved import ResolvedNode

Graph: TypeAlias = "nx.MultiDiGraph[str]"


def build_graph(nodes: Mapping[str, ResolvedNode]) -> Graph:
    """A DAG of sound nodes, in an order in which each comes after all that it reads.

    ``graph.nodes[id]["node"]`` is the :class:`ResolvedNode`. Each link is an edge from the node that is read to the one
    that reads; its key is the name of the input, its ``slot`` the number of the output.
    """
    graph: Graph = nx.MultiDiGraph()
    extend_graph(graph, nodes.values())
    return graph


def extend_graph(graph: Graph, nodes: Iterable[ResolvedNode]) -> None:
    """Add nodes, each after all that it reads."""
    for node in nodes:
        graph.add_node(node.id, node=node)
        for name, link in node.links.items():
            graph.add_edge(link.node_id, node.id, key=name, slot=link.slot)


def resolved(graph: Graph, node_id: str) -> ResolvedNode:
    """The node of that id. Raises ``KeyError``."""
    node: ResolvedNode = graph.nodes[node_id]["node"]
    return node
