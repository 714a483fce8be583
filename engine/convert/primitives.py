"""Values of PrimitiveNodes that are linked to several inputs: each of those has to take it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.convert.litegraph import UiGraph, UiNode
from engine.inputs import Float, Int
from engine.schema import NodeSpec


def within_all_targets(value: Any, graph: UiGraph, primitive: UiNode, registry: Mapping[str, NodeSpec]) -> Any:
    """A number within the ranges of all inputs that the node is linked to, where these are several."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    ranges = list(_ranges(graph, primitive, registry))
    if len(ranges) < 2:
        return value
    low = max((marker.min for marker in ranges if marker.min is not None), default=value)
    high = min((marker.max for marker in ranges if marker.max is not None), default=value)
    return max(low, min(high, value))


def _ranges(graph: UiGraph, primitive: UiNode, registry: Mapping[str, NodeSpec]) -> Iterator[Int | Float]:
    for link in graph.links.values():
        node = graph.nodes.get(link.target) if link.origin == primitive.id else None
        spec = registry.get(node.type) if node else None
        if node is None or spec is None or not 0 <= link.target_slot < len(node.inputs):
            continue
        slot = node.inputs[link.target_slot]
        known = spec.inputs.get(slot.widget or slot.name)
        if known is not None and isinstance(known.marker, Int | Float):
            yield known.marker
