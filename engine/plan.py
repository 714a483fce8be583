"""What has to run for the wanted outputs, in which order: nothing upstream of what is known already."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from engine.entry import Entry
from engine.graph import Graph, resolved

Find = Callable[[str], Entry | None]


@dataclass(frozen=True, slots=True)
class Plan:
    """``steps``: ids of the nodes to run, each after what it reads; of nodes with equal keys, one.

    ``candidates``: those, and what may come to run because lazy inputs are asked for. ``found``: known outputs by key
    that candidates read or that are wanted.
    """

    steps: tuple[str, ...]
    candidates: tuple[str, ...]
    found: Mapping[str, Entry]


def make_plan(graph: Graph, keys: Mapping[str, str], wanted: Iterable[str], find: Find) -> Plan:
    """Plan for the ``wanted`` nodes. ``find`` looks a key up among known outputs; it is asked once for each key.

    Takes time in proportion to the nodes that it looks at, and no recursion.
    """
    wanted = tuple(wanted)
    found: dict[str, Entry] = {}
    candidates = _depth_first(graph, keys, wanted, find, found, lazy=True)
    if any(resolved(graph, node_id).lazy for node_id in candidates):
        steps = _depth_first(graph, keys, wanted, found.get, {}, lazy=False)
    else:
        steps = candidates
    return Plan(tuple(steps), tuple(candidates), found)


def plan_more(graph: Graph, keys: Mapping[str, str], wanted: Iterable[str], find: Find) -> Sequence[str]:
    """The steps for nodes that turn out to be wanted while a run goes on."""
    return _depth_first(graph, keys, wanted, find, {}, lazy=False)


def _depth_first(
    graph: Graph, keys: Mapping[str, str], wanted: Iterable[str], find: Find, found: dict[str, Entry], *, lazy: bool
) -> list[str]:
    """Unknown nodes upstream of ``wanted``, each after what it reads; values are needed soon after they are made."""
    order: list[str] = []
    looked_at: set[str] = set()

    def is_unknown(node_id: str) -> bool:
        key = keys[node_id]
        if key in looked_at:
            return False
        looked_at.add(key)
        entry = find(key)
        if entry is not None:
            found[key] = entry
        return entry is None

    for start in wanted:
        path: list[tuple[str, Iterator[str]]] = []
        if is_unknown(start):
            path.append((start, _upstream(graph, start, lazy)))
        while path:
            node_id, upstream = path[-1]
            for other in upstream:
                if is_unknown(other):
                    path.append((other, _upstream(graph, other, lazy)))
                    break
            else:
                path.pop()
                order.append(node_id)
    return order


def _upstream(graph: Graph, node_id: str, lazy: bool) -> Iterator[str]:
    """What the node reads; with ``lazy`` also what it may ask for."""
    node = resolved(graph, node_id)
    if lazy or not node.lazy:
        return iter(graph.predecessors(node_id))
    return iter([link.node_id for name, link in node.links.items() if name not in node.lazy])
