"""Group nodes, which older files have instead of subgraphs: class ``workflow>NAME``, defined beside the graph."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from engine.convert.litegraph import INPUT_NODE_ID, OUTPUT_NODE_ID, Port, UiGraph, UiLink, UiNode, read_node

_PREFIXES = ("workflow>", "workflow/")
_Spot = tuple[str, int]


def group_graph(node: UiNode, extra: Mapping[str, Any]) -> UiGraph | None:
    """The inside of a group node as a graph of its own, its widgets' values handed on; ``None`` for other nodes.

    Also ``None`` where the node's inputs and outputs are not those that the definition leaves open, since then nobody
    can say which is which.
    """
    definitions = extra.get("groupNodes")
    if not node.type.startswith(_PREFIXES) or not isinstance(definitions, dict):
        return None
    definition = definitions.get(node.type[len(_PREFIXES[0]) :])
    if not isinstance(definition, dict) or not isinstance(definition.get("nodes"), list):
        return None
    entries = [entry for entry in definition["nodes"] if isinstance(entry, dict)]
    nodes = {str(i): read_node({**entry, "id": i}, i, f"group '{node.type}'") for i, entry in enumerate(entries)}
    links = _links(definition.get("links"))
    inputs, outputs = _open_inputs(definition, nodes, links), _open_outputs(definition, nodes, links)
    sockets = [slot for slot in node.inputs if slot.widget is None]
    if len(inputs) != len(sockets) or len(outputs) < len(node.outputs):
        return None
    inward = [UiLink(f"in{i}", INPUT_NODE_ID, i, target, slot) for i, (target, slot) in enumerate(inputs)]
    outward = [
        UiLink(f"out{i}", origin, slot, OUTPUT_NODE_ID, i)
        for i, (origin, slot) in enumerate(outputs[: len(node.outputs)])
    ]
    return UiGraph(
        name=node.type,
        nodes=_linked(_with_values(nodes, node.values), [*links, *inward]),
        links={link.id: link for link in [*links, *inward, *outward]},
        inputs=tuple(Port(s.name, s.type, (k.id,)) for s, k in zip(sockets, inward, strict=True)),
        outputs=tuple(Port(s.name, s.type, (k.id,)) for s, k in zip(node.outputs, outward, strict=True)),
    )


def _links(entries: Any) -> list[UiLink]:
    """Links between the group's nodes, which are named by their position; one from outside has no origin."""
    found = []
    for number, entry in enumerate(entries if isinstance(entries, list) else ()):
        if isinstance(entry, list) and len(entry) >= 4 and all(type(part) is int and part >= 0 for part in entry[:4]):
            origin, origin_slot, target, target_slot = entry[:4]
            found.append(UiLink(f"link{number}", str(origin), origin_slot, str(target), target_slot))
    return found


def _open_inputs(
    definition: Mapping[str, Any], nodes: Mapping[str, UiNode], links: Sequence[UiLink]
) -> Sequence[_Spot]:
    """The inputs that the group node shows as sockets: those that nothing inside feeds."""
    fed = {(link.target, link.target_slot) for link in links}
    return [
        (node_id, index)
        for node_id, index in _spots(nodes, "inputs")
        if (slot := nodes[node_id].inputs[index]).widget is None
        and (node_id, index) not in fed
        and _visible(definition, node_id, "input", slot.name) is not False
    ]


def _open_outputs(
    definition: Mapping[str, Any], nodes: Mapping[str, UiNode], links: Sequence[UiLink]
) -> Sequence[_Spot]:
    """The outputs that the group node shows: unless its settings say otherwise, those that nothing inside reads."""
    used = {(link.origin, link.origin_slot) for link in links} - _external(definition.get("external"))
    shown = ((spot, _visible(definition, spot[0], "output", str(spot[1]))) for spot in _spots(nodes, "outputs"))
    return [spot for spot, visible in shown if (spot not in used if visible is None else visible)]


def _external(entries: Any) -> set[_Spot]:
    """Outputs that were linked to the outside when the group was made."""
    found = set()
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, list) and len(entry) >= 2 and isinstance(entry[0], dict) and type(entry[1]) is int:
            found.add((str(entry[0].get("index")), entry[1]))
    return found


def _spots(nodes: Mapping[str, UiNode], side: str) -> Iterator[_Spot]:
    for node in nodes.values():
        for slot in range(len(getattr(node, side))):
            yield node.id, slot


def _visible(definition: Mapping[str, Any], *place: str) -> bool | None:
    """What the group's settings say of this input or output, if they say anything."""
    found: Any = definition.get("config")
    for key in (*place, "visible"):
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, bool) else None


def _with_values(nodes: Mapping[str, UiNode], values: Sequence[Any] | Mapping[str, Any]) -> Mapping[str, UiNode]:
    """The nodes with their shares of the group node's widget values, which stand there one node after the other."""
    shares = [len(node.values) for node in nodes.values()]
    if not isinstance(values, Sequence) or len(values) != sum(shares):
        return nodes
    given: dict[str, UiNode] = {}
    at = 0
    for (node_id, node), share in zip(nodes.items(), shares, strict=True):
        given[node_id] = replace(node, values=values[at : at + share]) if share else node
        at += share
    return given


def _linked(nodes: Mapping[str, UiNode], links: Sequence[UiLink]) -> Mapping[str, UiNode]:
    """The nodes with the links' ids put into their inputs."""
    by_target = {(link.target, link.target_slot): link.id for link in links}
    return {
        node.id: replace(
            node, inputs=tuple(replace(s, link=by_target.get((node.id, i))) for i, s in enumerate(node.inputs))
        )
        for node in nodes.values()
    }
