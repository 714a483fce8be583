"""In which order outputs are made, so that each large network is brought to the device once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from engine.graph import Graph, resolved
from engine.inputs import FileChoice
from engine.schema import Marker

_MOST_FILES = 64


def grouped_by_network(graph: Graph, wanted: Sequence[str]) -> tuple[str, ...]:
    """``wanted`` with outputs over the same network files next to each other, else in the same order.

    Takes time in proportion to the graph, and hardly any where no more than one network is used.
    """
    files = {node_id: own for node_id in graph if (own := _network_files(graph, node_id))}
    bits = {file: 1 << number for number, file in enumerate(dict.fromkeys(chain.from_iterable(files.values())))}
    if len(wanted) < 3 or not 1 < len(bits) <= _MOST_FILES:
        return tuple(wanted)
    uses: dict[str, int] = {}
    for node_id in graph:  # in which each node comes after all that it reads
        mask = sum(bits[file] for file in files.get(node_id, ()))
        for above in graph.predecessors(node_id):
            mask |= uses[above]
        uses[node_id] = mask
    groups = {mask: number for number, mask in enumerate(dict.fromkeys(uses[node_id] for node_id in wanted))}
    return tuple(sorted(wanted, key=lambda node_id: groups[uses[node_id]]))


def _network_files(graph: Graph, node_id: str) -> tuple[str, ...]:
    node = resolved(graph, node_id)
    return tuple(str(path) for name, path in node.files.items() if _is_network(node.spec.inputs[name].marker))


def _is_network(marker: Marker) -> bool:
    return isinstance(marker, FileChoice) and marker.network
