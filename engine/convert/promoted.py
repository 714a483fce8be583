"""Values that a subgraph's instance holds for widgets inside: promoted widgets, in the three ways files keep them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.convert.litegraph import Port, Slot, UiGraph, UiNode
from engine.convert.widgets import CONTROLS

_PORT = "-1"


@dataclass(frozen=True, slots=True)
class HostValues:
    """What an instance says of its inside: values of the subgraph's inputs by name, of widgets by (node id, name)."""

    ports: Mapping[str, Any]
    widgets: Mapping[tuple[str, str], Any]


def read_host_values(host: UiNode, graph: UiGraph) -> HostValues:
    """Read what ``host``, an instance of ``graph``, promotes.

    Files of some versions list ``[node id, widget]`` pairs under ``proxyWidgets``, the values beside them or (then
    absent here) in the inner nodes; newer ones have one value for each input that leads to a widget; the newest add
    names.
    """
    ports: dict[str, Any] = {}
    widgets: dict[tuple[str, str], Any] = {}
    if isinstance(host.values, Mapping):
        return HostValues(dict(host.values), {})
    proxies = list(_proxies(host))
    if proxies:
        for (node_id, widget), value in zip(proxies, host.values, strict=False):
            if value is None:
                continue
            port = widget if node_id == _PORT else _port_behind(graph, node_id, widget)
            if port is not None:
                ports[port] = value
            else:
                widgets[node_id, widget] = value
    elif host.named and len(host.named) == len(host.values):
        ports = dict(zip(host.named, host.values, strict=True))
    else:
        ports = _by_position([port for port in graph.inputs if _leads_to_widget(graph, port)], host.values)
    return HostValues({name: value for name, value in ports.items() if value is not None}, widgets)


def targets(graph: UiGraph, port: Port) -> Iterator[tuple[UiNode, Slot]]:
    """The inner inputs that a subgraph's input feeds, in order."""
    for link_id in port.links:
        link = graph.links.get(link_id)
        node = graph.nodes.get(link.target) if link else None
        slot = next((slot for slot in node.inputs if slot.link == link_id), None) if node else None
        if node and slot:
            yield node, slot


def _proxies(host: UiNode) -> Iterator[tuple[str, str]]:
    listed = host.properties.get("proxyWidgets")
    for entry in listed if isinstance(listed, list) else ():
        if isinstance(entry, list) and len(entry) >= 2 and all(isinstance(part, str | int) for part in entry[:2]):
            yield str(entry[0]), str(entry[1])
        else:
            yield "", ""


def _port_behind(graph: UiGraph, node_id: str, widget: str) -> str | None:
    """The subgraph input that feeds this widget, if one does: its value then is the input's."""
    node = graph.nodes.get(node_id)
    slot = next((slot for slot in node.inputs if slot.widget == widget and slot.link), None) if node else None
    link = graph.links.get(slot.link) if slot and slot.link else None
    if link and link.origin == graph.input_node and link.origin_slot < len(graph.inputs):
        return graph.inputs[link.origin_slot].name
    return None


def _leads_to_widget(graph: UiGraph, port: Port) -> bool:
    return any(slot.widget for _, slot in targets(graph, port))


def _by_position(ports: Sequence[Port], values: Sequence[Any]) -> dict[str, Any]:
    """One value for each input; a longer list has the seeds' control values in between."""
    named: dict[str, Any] = {}
    at = 0
    for port in ports:
        if at < len(values):
            named[port.name] = values[at]
            at += 1
        if len(values) > len(ports) and at < len(values) and isinstance(values[at], str) and values[at] in CONTROLS:
            at += 1
    return named
