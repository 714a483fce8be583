"""The UI form as a document: LiteGraph JSON of versions 0.4 and 1.0, read into frozen records. Nothing is resolved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from engine.errors import WorkflowUnreadable

INPUT_NODE_ID = "-10"
OUTPUT_NODE_ID = "-20"


class Mode(IntEnum):
    """What a node's ``mode`` says; the modes that are not here run as usual."""

    ALWAYS = 0
    MUTED = 2
    BYPASSED = 4


@dataclass(frozen=True, slots=True)
class Slot:
    """An input or output of a node. ``widget`` names the widget that an input stands for, ``link`` what feeds it."""

    name: str
    type: str
    link: str | None = None
    widget: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class UiNode:
    """A node of the UI form. ``values``: its widgets' values, by position or by name; ``named``: the same by name."""

    id: str
    type: str
    mode: int
    title: str | None
    inputs: tuple[Slot, ...]
    outputs: tuple[Slot, ...]
    values: Sequence[Any] | Mapping[str, Any]
    named: Mapping[str, Any]
    properties: Mapping[str, Any]

    @property
    def is_linkable(self) -> bool:
        """Whether it has inputs or outputs; notes have none."""
        return bool(self.inputs or self.outputs)

    @property
    def pack(self) -> str | None:
        """The pack that brings its class: an id of ComfyUI's registry, or ``owner/repository``."""
        return _text(self.properties.get("cnr_id")) or _text(self.properties.get("aux_id")) or None

    @property
    def runs(self) -> bool:
        """Whether it is neither muted nor bypassed."""
        return self.mode not in (Mode.MUTED, Mode.BYPASSED)


@dataclass(frozen=True, slots=True)
class UiLink:
    """An edge: output ``origin_slot`` of ``origin`` to input ``target_slot`` of ``target``."""

    id: str
    origin: str
    origin_slot: int
    target: str
    target_slot: int


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output of a subgraph. ``links``: the ids of its links inside, in order."""

    name: str
    type: str
    links: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class UiGraph:
    """The root graph, or a subgraph's definition with its ports."""

    name: str
    nodes: Mapping[str, UiNode]
    links: Mapping[str, UiLink]
    inputs: tuple[Port, ...] = ()
    outputs: tuple[Port, ...] = ()
    input_node: str = INPUT_NODE_ID
    output_node: str = OUTPUT_NODE_ID


@dataclass(frozen=True, slots=True)
class UiDocument:
    """A whole file: the root graph and the subgraph definitions by id."""

    root: UiGraph
    subgraphs: Mapping[str, UiGraph]
    extra: Mapping[str, Any]


def read_ui_document(document: Mapping[str, Any]) -> UiDocument:
    """Read UI-form JSON. Raises ``WorkflowUnreadable`` naming the node that is no node, or the id that two share."""
    subgraphs: dict[str, UiGraph] = {}
    for definition in _definitions(document):
        key = _id(definition.get("id"))
        if key is not None:
            subgraphs.setdefault(key, _graph(definition, f"subgraph '{_text(definition.get('name')) or key}'"))
    return UiDocument(_graph(document, "the workflow"), subgraphs, _mapping(document.get("extra")))


def _definitions(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """All subgraph definitions, also those that other definitions hold."""
    waiting: list[Mapping[str, Any]] = [document]
    while waiting:
        for definition in _mappings(_mapping(waiting.pop().get("definitions")).get("subgraphs")):
            yield definition
            waiting.append(definition)


def _graph(document: Mapping[str, Any], where: str) -> UiGraph:
    nodes: dict[str, UiNode] = {}
    listed = document.get("nodes")
    for position, entry in enumerate(listed if isinstance(listed, list) else ()):
        node = read_node(entry, position, where)
        other = nodes.get(node.id)
        if other is not None and other.is_linkable and node.is_linkable:
            both = f"{other.type} and {node.type}"
            raise WorkflowUnreadable(f"two nodes of {where} have the id {node.id}: {both}", remedy="give one a new id")
        if other is None or node.is_linkable:
            nodes[node.id] = node
    links = {link.id: link for entry in _items(document.get("links")) if (link := _link(entry)) is not None}
    input_node = _id(_mapping(document.get("inputNode")).get("id")) or INPUT_NODE_ID
    output_node = _id(_mapping(document.get("outputNode")).get("id")) or OUTPUT_NODE_ID
    return UiGraph(
        name=_text(document.get("name")) or "",
        nodes=nodes,
        links=links,
        inputs=_ports(
            document.get("inputs"), [(k.id, k.origin_slot) for k in links.values() if k.origin == input_node]
        ),
        outputs=_ports(
            document.get("outputs"), [(k.id, k.target_slot) for k in links.values() if k.target == output_node]
        ),
        input_node=input_node,
        output_node=output_node,
    )


def read_node(entry: Any, position: int, where: str) -> UiNode:
    """Read one node. Raises ``WorkflowUnreadable`` where it has no id or no class."""
    node = _mapping(entry)
    node_id, node_type = _id(node.get("id")), _text(node.get("type"))
    if node_id is None or not node_type:
        missing = "type" if node_id is not None else "id"
        raise WorkflowUnreadable(
            f"node {node_id or f'number {position}'} of {where} has no {missing}",
            remedy="this is not a workflow as ComfyUI saves it",
        )
    values = node.get("widgets_values")
    mode = node.get("mode")
    return UiNode(
        id=node_id,
        type=node_type,
        mode=mode if isinstance(mode, int) else Mode.ALWAYS,
        title=_text(node.get("title")) or None,
        inputs=tuple(_slot(slot) for slot in _mappings(node.get("inputs"))),
        outputs=tuple(_slot(slot) for slot in _mappings(node.get("outputs"))),
        values=values if isinstance(values, list | dict) else (),
        named=_mapping(node.get("widgets_values_named")),
        properties=_mapping(node.get("properties")),
    )


def _slot(slot: Mapping[str, Any]) -> Slot:
    widget = _text(_mapping(slot.get("widget")).get("name")) or None
    return Slot(_text(slot.get("name")) or "", _type(slot.get("type")), _id(slot.get("link")), widget)


def _link(entry: Any) -> UiLink | None:
    """A link as an array (0.4) or an object (1.0, and subgraphs); ``None`` for what is neither, such as a hole."""
    if isinstance(entry, list):
        fields = [*entry[:5], *[None] * (5 - len(entry))]
    else:
        link = _mapping(entry)
        fields = [link.get(name) for name in ("id", "origin_id", "origin_slot", "target_id", "target_slot")]
    link_id, origin, target = _id(fields[0]), _id(fields[1]), _id(fields[3])
    origin_slot, target_slot = _index(fields[2]), _index(fields[4])
    if link_id is None or origin is None or target is None or origin_slot is None:
        return None
    # The target slot may be missing: the input itself names its link.
    return UiLink(link_id, origin, origin_slot, target, -1 if target_slot is None else target_slot)


def _index(value: Any) -> int | None:
    text = _id(value)
    return int(text) if text is not None and text.isdecimal() and len(text) < 10 else None


def _ports(entries: Any, found: Sequence[tuple[str, int]]) -> tuple[Port, ...]:
    ports = []
    for index, entry in enumerate(_mappings(entries)):
        listed = tuple(link for item in _items(entry.get("linkIds")) if (link := _id(item)) is not None)
        links = listed or tuple(link for link, slot in found if slot == index)
        ports.append(Port(_text(entry.get("name")) or "", _type(entry.get("type")), links))
    return tuple(ports)


def _type(value: Any) -> str:
    """A slot's type name; old files give a combo's choices in its place, and 0 for "anything"."""
    if isinstance(value, list):
        return "COMBO"
    return value if isinstance(value, str) and value else "*"


def _id(value: Any) -> str | None:
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else None
    return str(value) if isinstance(value, int | str) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _items(value: Any) -> Sequence[Any]:
    """A list's items; version 1.0 may also keep links in an object by id."""
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else ()


def _mappings(value: Any) -> Iterator[Mapping[str, Any]]:
    return (item for item in _items(value) if isinstance(item, dict))
