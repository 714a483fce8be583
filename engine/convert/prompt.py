"""UI form to API form: what the front end would submit for the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from engine.convert.broadcasts import read_broadcasts
from engine.convert.combo_options import with_combo_options
from engine.convert.dynamic_prompts import pick_alternatives
from engine.convert.links import Literal, Nothing, Source, Tracer
from engine.convert.litegraph import UiNode, read_ui_document
from engine.convert.subgraphs import Scope, expand, walk
from engine.convert.text_fields import NamedNode, fill_fields, widget_values
from engine.convert.virtual import is_listed, is_virtual
from engine.convert.widgets import as_input
from engine.inputs import Text
from engine.notes import Note
from engine.schema import NodeSpec
from engine.workflow import NodeDocument


@dataclass(frozen=True, slots=True)
class Conversion:
    """API-form nodes by id (``57:8`` is node 8 inside subgraph node 57), and what could not be carried over."""

    nodes: Mapping[str, NodeDocument]
    notes: tuple[Note, ...]


def convert(document: Mapping[str, Any], registry: Mapping[str, NodeSpec]) -> Conversion:
    """Convert UI-form JSON. Classes that ``registry`` lacks are kept, their widgets named as far as the file says.

    Raises ``WorkflowUnreadable`` for JSON that is no graph: a node without a class, an id used twice, a subgraph that
    contains itself.
    """
    ui = read_ui_document(document)
    root = expand(ui)
    builder = _Builder(registry, Tracer(registry, root, read_broadcasts(ui)))
    nodes = {scope.id_of(node): builder.build(scope, node) for scope, node in builder.kept(root)}
    return Conversion(fill_fields(nodes, lambda: builder.named(root, nodes)), tuple(builder.notes))


class _Builder:
    """Builds API nodes one at a time and gathers the notes."""

    def __init__(self, registry: Mapping[str, NodeSpec], tracer: Tracer) -> None:
        self._registry = registry
        self._tracer = tracer
        self.notes: list[Note] = []

    def kept(self, root: Scope) -> Iterator[tuple[Scope, UiNode]]:
        """The nodes that run."""
        for scope, node in walk(root):
            if not scope.runs or not node.runs:
                continue
            if not is_virtual(node, known=node.type in self._registry):
                yield scope, node
            elif not is_listed(node):
                self._note("dropped", "has neither inputs nor outputs and is of no known class", scope, node)

    def named(self, root: Scope, built: Mapping[str, NodeDocument]) -> Iterator[NamedNode]:
        """All nodes of the file, with the values of their widgets."""
        for scope, node in walk(root):
            document = built.get(scope.id_of(node))
            own = self._tracer.widgets(node).by_name
            yield NamedNode(node, widget_values(node, own, document.inputs if document else {}))

    def build(self, scope: Scope, node: UiNode) -> NodeDocument:
        """The node in API form: its widgets' values, then its links over them."""
        spec = self._registry.get(node.type)
        widgets = self._tracer.widgets(node)
        for lost in widgets.lost:
            self._note("widgets", lost, scope, node)
        inputs = {name: as_input(self._own_value(scope, node, name, value)) for name, value in widgets.by_name.items()}
        untouched = {name for node_id, name in scope.values.widgets if node_id == node.id}
        for index, slot in enumerate(node.inputs):
            origin = self._tracer.follow(scope, node, index)
            if isinstance(origin, Nothing) and origin.why:
                self._note("links", f"input '{slot.name}' is not linked: {origin.why}", scope, node)
                origin = self._tracer.own_value(scope, node, index) if origin.muted else origin
            if isinstance(origin, Source):
                inputs[slot.name] = [origin.node_id, origin.slot]
            elif isinstance(origin, Literal):
                inputs[slot.name] = as_input(origin.value)
                untouched |= {slot.name} if origin.promoted else set()
        return NodeDocument(
            class_type=node.type,
            inputs=_with_alternatives(with_combo_options(node, inputs), spec, untouched),
            title=node.title or (spec.display_name if spec and spec.display_name else node.type),
            pack=node.pack,
        )

    def _own_value(self, scope: Scope, node: UiNode, name: str, value: Any) -> Any:
        return scope.values.widgets.get((node.id, name), value)

    def _note(self, kind: str, message: str, scope: Scope, node: UiNode) -> None:
        self.notes.append(Note(kind, message, scope.id_of(node), node.type))


def _with_alternatives(inputs: dict[str, Any], spec: NodeSpec | None, untouched: set[str]) -> dict[str, Any]:
    """``{a|b}`` replaced in the texts whose schema says that front ends do so, but in those of subgraphs' widgets."""
    for name, value in inputs.items():
        marker = spec.inputs[name].marker if spec and name in spec.inputs else None
        if isinstance(value, str) and isinstance(marker, Text) and marker.dynamic_prompts and name not in untouched:
            inputs[name] = pick_alternatives(value)
    return inputs
