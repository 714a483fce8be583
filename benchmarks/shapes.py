"""Workflows of trivial nodes, of any size: chains, wide graphs, diamonds, and a chain of small pictures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from engine.context import Context
from engine.inputs import Int
from engine.registry import Registry
from engine.schema import NodeSpec
from engine.workflow import NodeDocument

Whole = Annotated[int, Int()]
Nodes = dict[str, NodeDocument]


def add(ctx: Context, *, a: Whole, b: Whole) -> int:
    """Their sum, in the low 32 bits."""
    return (a + b) & 0xFFFFFFFF


def show(ctx: Context, *, value: Whole) -> None:
    """Show the number."""
    ctx.show("text", str(value))


def number(ctx: Context, *, value: Whole) -> int:
    """The number."""
    return value


def trivial_registry() -> Registry:
    """The classes of the nodes above."""
    registry = Registry()
    for function in (add, show, number):
        registry.add(NodeSpec(function.__name__.title(), function, "benchmark", output_node=function is show))
    return registry


def chain(count: int, start: int) -> Nodes:
    """Each node reads the one before it."""
    nodes = {"0": NodeDocument(class_type="Number", inputs={"value": start})}
    for i in range(1, count - 1):
        nodes[str(i)] = NodeDocument(class_type="Add", inputs={"a": [str(i - 1), 0], "b": i})
    return _with_output(nodes, count - 2)


def wide(count: int, start: int) -> Nodes:
    """All nodes but the last read the first; every second one is shown."""
    nodes = {"0": NodeDocument(class_type="Number", inputs={"value": start})}
    for i in range(1, count - 1):
        if i % 2:
            nodes[str(i)] = NodeDocument(class_type="Add", inputs={"a": ["0", 0], "b": i})
        else:
            nodes[str(i)] = NodeDocument(class_type="Show", inputs={"value": [str(i - 1), 0]})
    return _with_output(nodes, 0)


def diamonds(count: int, start: int) -> Nodes:
    """Diamonds one after the other: one node, two that read it, one that reads both."""
    nodes = {"0": NodeDocument(class_type="Number", inputs={"value": start})}
    for i in range(1, count - 1):
        top = 3 * ((i - 1) // 3)
        a, b = (top + 1, top + 2) if i % 3 == 0 else (top, top)
        inputs = {"a": [str(a), 0], "b": [str(b), 0] if i % 3 == 0 else i}
        nodes[str(i)] = NodeDocument(class_type="Add", inputs=inputs)
    return _with_output(nodes, count - 2)


def pictures(count: int, start: int) -> Nodes:
    """EmptyImage, ImageInvert ..., PreviewImage, 16 x 16 pixels."""
    size = {"width": 16, "height": 16, "batch_size": 1, "color": start % 0xFFFFFF}
    nodes = {"0": NodeDocument(class_type="EmptyImage", inputs=size)}
    for i in range(1, count - 1):
        nodes[str(i)] = NodeDocument(class_type="ImageInvert", inputs={"image": [str(i - 1), 0]})
    nodes[str(count - 1)] = NodeDocument(class_type="PreviewImage", inputs={"images": [str(count - 2), 0]})
    return nodes


SHAPES: dict[str, Callable[[int, int], Nodes]] = {
    "chain": chain,
    "wide": wide,
    "diamonds": diamonds,
    "pictures": pictures,
}


def with_one_change(nodes: Nodes, literal: int) -> Nodes | None:
    """The nodes with another literal in the middle one, or the one after it; None where neither has any."""
    middle = len(nodes) // 2
    for node_id in (str(middle), str(middle + 1)):
        inputs = nodes[node_id].inputs
        if isinstance(inputs.get("b"), int):
            return {**nodes, node_id: NodeDocument(class_type="Add", inputs={**inputs, "b": literal})}
    return None


def _with_output(nodes: Nodes, shown: int) -> Nodes:
    nodes[str(len(nodes))] = NodeDocument(class_type="Show", inputs={"value": [str(shown), 0]})
    return nodes
