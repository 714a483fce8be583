"""Where an input's value comes from, seen through everything that only forwards: reroutes, subgraphs, bypasses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from engine.convert.litegraph import Mode, Port, UiNode
from engine.convert.modes import passed_on_input
from engine.convert.primitives import within_all_targets
from engine.convert.promoted import targets
from engine.convert.subgraphs import Scope
from engine.convert.virtual import (
    GET_NODE,
    PRIMITIVE,
    SET_NODE,
    is_forwarding,
    is_virtual,
    primitive_value,
    variable_name,
)
from engine.convert.widgets import WidgetValues, read_widgets
from engine.schema import NodeSpec


@dataclass(frozen=True, slots=True)
class Source:
    """An output of a node that runs."""

    node_id: str
    slot: int


@dataclass(frozen=True, slots=True)
class Literal:
    """A value that a PrimitiveNode or a subgraph's promoted widget holds.

    ``promoted``: the latter, which is sent untouched: alternatives in such texts are not picked.
    """

    value: Any
    promoted: bool = False


@dataclass(frozen=True, slots=True)
class Nothing:
    """No value. ``why`` is empty where the input is simply not linked; ``muted``: the link ends at a muted node."""

    why: str = ""
    muted: bool = False


Origin = Source | Literal | Nothing


class _Place(NamedTuple):
    """A spot on the way upstream: an input (or output) slot of a node in a scope."""

    scope: Scope
    node: UiNode
    slot: int
    is_output: bool


class Tracer:
    """Follows links upstream, one node at a time and each spot once."""

    def __init__(
        self, registry: Mapping[str, NodeSpec], root: Scope, broadcasts: Mapping[tuple[str, int], tuple[str, int]]
    ) -> None:
        self._registry = registry
        self._root = root
        self._broadcasts = broadcasts
        self._widgets: dict[int, WidgetValues] = {}
        self._setters: dict[int, Mapping[str, UiNode]] = {}
        self._known: dict[tuple[int, int, int, bool, str], Origin] = {}

    def widgets(self, node: UiNode) -> WidgetValues:
        """The node's own widget values, read once."""
        key = id(node)
        if key not in self._widgets:
            self._widgets[key] = read_widgets(node, self._registry.get(node.type))
        return self._widgets[key]

    def follow(self, scope: Scope, node: UiNode, slot: int) -> Origin:
        """What feeds input ``slot`` of ``node``."""
        wanted = node.inputs[slot].type
        spot: _Place | Origin = _Place(scope, node, slot, is_output=False)
        passed: dict[tuple[int, int, int, bool, str], None] = {}
        while isinstance(spot, _Place):
            key = (id(spot.scope), id(spot.node), spot.slot, spot.is_output, wanted)
            if key in passed:
                spot = Nothing("its link runs in a circle")
            elif key in self._known:
                spot = self._known[key]
            else:
                passed[key] = None
                spot = self._from_output(spot, wanted) if spot.is_output else self._from_input(spot)
        for key in passed:
            self._known[key] = spot
        return spot

    def own_value(self, scope: Scope, node: UiNode, slot: int) -> Origin:
        """What a widget keeps whose link ends at a muted node: nothing but its own, or what its subgraph promotes."""
        link = scope.graph.links.get(node.inputs[slot].link or "")
        if link is None or scope.outer is None or link.origin != scope.graph.input_node:
            return Nothing()
        ports = scope.graph.inputs
        return self._port_value(scope, ports[link.origin_slot]) if link.origin_slot < len(ports) else Nothing()

    def _from_input(self, spot: _Place) -> _Place | Origin:
        scope, link_id = spot.scope, spot.node.inputs[spot.slot].link
        if link_id is None:
            cast = self._broadcasts.get((spot.node.id, spot.slot)) if scope is self._root else None
            return Nothing() if cast is None else self._at(scope, *cast)
        link = scope.graph.links.get(link_id)
        if link is None:
            return Nothing(f"its link {link_id} is not in the file")
        return self._at(scope, link.origin, link.origin_slot)

    def _at(self, scope: Scope, origin: str, slot: int) -> _Place | Origin:
        if scope.outer is not None and origin == scope.graph.input_node:
            return self._from_port(scope, slot)
        node = scope.graph.nodes.get(origin)
        if node is None:
            return Nothing(f"node {scope.prefix}{origin}, which it is linked to, is not in the file")
        return _Place(scope, node, slot, is_output=True)

    def _from_port(self, scope: Scope, index: int) -> _Place | Origin:
        """From inside a subgraph out through its input ``index``."""
        assert scope.host is not None
        assert scope.outer is not None
        if index >= len(scope.graph.inputs):
            return Nothing(f"subgraph '{scope.graph.name}' has no input {index}")
        port = scope.graph.inputs[index]
        for slot, outside in enumerate(scope.host.inputs):
            if outside.name == port.name and outside.link is not None:
                return _Place(scope.outer, scope.host, slot, is_output=False)
        return self._port_value(scope, port)

    def _port_value(self, scope: Scope, port: Port | None) -> Origin:
        """The value of a subgraph's input that is not linked outside: the host's, else the first inner widget's."""
        while port is not None:
            assert scope.host is not None
            assert scope.outer is not None
            promoted = scope.outer.values.widgets.get((scope.host.id, port.name), scope.values.ports.get(port.name))
            if promoted is not None:
                return Literal(promoted, promoted=True)
            node, slot = next(((n, s) for n, s in targets(scope.graph, port) if s.widget), (None, None))
            if node is None or slot is None:
                return Nothing()
            if node.id not in scope.inner:
                value = self._widget_value(scope, node, slot.widget or slot.name)
                return Nothing() if value is None else Literal(value, promoted=True)
            scope = scope.inner[node.id]
            port = next((p for p in scope.graph.inputs if p.name == slot.name), None)
        return Nothing()

    def _widget_value(self, scope: Scope, node: UiNode, widget: str) -> Any:
        return scope.values.widgets.get((node.id, widget), self.widgets(node).by_name.get(widget))

    def _from_output(self, spot: _Place, wanted: str) -> _Place | Origin:
        scope, node, slot, _ = spot
        virtual = is_virtual(node, known=node.type in self._registry)
        if node.mode == Mode.MUTED and not virtual:
            return Nothing(f"node {scope.id_of(node)} ({node.type}), which it is linked to, is muted", muted=True)
        if node.mode == Mode.BYPASSED and node.type != PRIMITIVE:
            index = passed_on_input(node, slot, wanted)
            if index is None:
                return Nothing(f"bypassed node {scope.id_of(node)} ({node.type}) has no {wanted} input to pass on")
            return _Place(scope, node, index, is_output=False)
        if node.id in scope.inner:
            return self._from_subgraph(scope.inner[node.id], slot)
        if not virtual:
            return Source(scope.id_of(node), slot)
        return self._from_virtual(spot)

    def _from_subgraph(self, inner: Scope, slot: int) -> _Place | Origin:
        """From outside in through a subgraph's output ``slot``."""
        if slot >= len(inner.graph.outputs):
            return Nothing(f"subgraph '{inner.graph.name}' has no output {slot}")
        port = inner.graph.outputs[slot]
        link = next((inner.graph.links[link] for link in port.links if link in inner.graph.links), None)
        if link is None:
            return Nothing(f"output '{port.name}' of subgraph '{inner.graph.name}' is not linked inside")
        return self._at(inner, link.origin, link.origin_slot)

    def _from_virtual(self, spot: _Place) -> _Place | Origin:
        scope, node, slot, _ = spot
        if node.type == PRIMITIVE:
            promoted = next((v for (node_id, _), v in scope.values.widgets.items() if node_id == node.id), None)
            found, value = primitive_value(node)
            if promoted is not None:
                return Literal(promoted)
            return Literal(within_all_targets(value, scope.graph, node, self._registry)) if found else Nothing()
        if node.type == GET_NODE:
            return self._from_variable(scope, variable_name(node) or "")
        if is_forwarding(node) and slot < len(node.inputs):
            return _Place(scope, node, slot, is_output=False)
        return Nothing(f"node {scope.id_of(node)} ({node.type}), which it is linked to, makes nothing")

    def _setters_of(self, scope: Scope) -> Mapping[str, UiNode]:
        """The SetNodes of a scope's graph by the variable they write; of two, the first holds."""
        key = id(scope.graph)
        if key not in self._setters:
            setters = [n for n in scope.graph.nodes.values() if n.type == SET_NODE]
            self._setters[key] = {variable_name(n) or "": n for n in reversed(setters)}
        return self._setters[key]

    def _from_variable(self, scope: Scope, name: str) -> _Place | Origin:
        """What the SetNode of this name is fed, in this graph or the nearest one around it."""
        around: Scope | None = scope
        while around is not None:
            setter = self._setters_of(around).get(name)
            if setter is not None and setter.inputs:
                return _Place(around, setter, 0, is_output=False)
            around = around.outer
        return Nothing(f"no SetNode writes the variable '{name}'")
