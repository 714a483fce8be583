"""Nodes that stand for a subgraph: its nodes are resolved and run, and its outputs become the node's."""

from __future__ import annotations

import itertools
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from engine.coerce import WRAPPED_VALUE
from engine.errors import GraphInvalid, InputInvalid
from engine.folders import Folders
from engine.live_values import LiveValues
from engine.mapping import Slots, values_of
from engine.node_call import NodeCall
from engine.resolved import ResolvedNode
from engine.schema import NodeSpec
from engine.types import Expansion, Link
from engine.validate import Checked, inspect
from engine.workflow import NodeDocument, Workflow

_JSON_ATOMS = (str, int, float, bool, type(None))


class Around(Protocol):
    """What resolving nodes takes."""

    @property
    def registry(self) -> Mapping[str, NodeSpec]: ...
    @property
    def folders(self) -> Folders: ...


class Subgraph:
    """The nodes that the calls of one node expand to; none if it only returned values.

    ``ids``: of all these nodes; ``wanted``: of those that outputs name and those that show something. ``shown``: what
    these nodes showed when they ran.
    """

    def __init__(self, call: NodeCall) -> None:
        self.call = call
        self.expands = any(isinstance(made, Expansion) for made in call.made)
        self.ids: list[str] = []
        self.wanted: list[str] = []
        self.shown: dict[str, Mapping[str, tuple[Any, ...]]] = {}
        self._prefixes: dict[int, str] = {}

    def resolve(
        self, display_id: str, taken: Container[str], around: Around
    ) -> Iterator[tuple[int, Mapping[str, ResolvedNode]]]:
        """For each expansion its number and its nodes, under ids that are not ``taken``. Raises ``GraphInvalid``."""
        for number, expansion in enumerate(self.call.made):
            if not isinstance(expansion, Expansion):
                continue
            prefix = _free_prefix(display_id, expansion, taken)
            checked = _resolve(expansion, prefix, around)
            self._prefixes[number] = prefix
            self.ids += checked.nodes
            self.wanted += checked.outputs
            self.call.made[number] = replace(expansion, graph={})  # Lets go of the values in it.
            yield number, checked.nodes

    def tokens(self, keys: Mapping[str, str]) -> dict[int, str]:
        """Names for the values that came in, by ``id``: a value is named by where it came from."""
        node, found = self.call.node, {}
        for name, values in self.call.inputs.items():
            link = node.links.get(name)
            source = f"{keys[link.node_id]}:{link.slot}" if link else f"{keys[node.id]}.{name}"
            for item, value in enumerate(values):
                if not isinstance(value, _JSON_ATOMS):
                    found[id(value)] = f"{source}:{item}"
        return found

    def slots(self, keys: Mapping[str, str], live: LiveValues) -> list[Slots]:
        """What each call made, once the nodes within have run. Raises ``TypeError`` where it fits no outputs."""
        return [
            self._slots(number, made, keys, live) if isinstance(made, Expansion) else made
            for number, made in enumerate(self.call.made)
        ]

    def all_shown(self, keys: Mapping[str, str], live: LiveValues) -> dict[str, tuple[Any, ...]]:
        """What the node showed, then what its subgraph's nodes showed, whether they ran or were cached."""
        merged = self.call.shown
        for node_id in self.wanted:
            self.shown.setdefault(node_id, live[keys[node_id]].shown)
        for node_id in self.ids:
            for kind, items in self.shown.get(node_id, {}).items():
                merged[kind] = merged.get(kind, ()) + items
        return merged

    def _slots(self, number: int, expansion: Expansion, keys: Mapping[str, str], live: LiveValues) -> Slots:
        spec, prefix = self.call.node.spec, self._prefixes[number]
        if len(expansion.outputs) != len(spec.outputs):
            raise TypeError(
                f"the node declares {len(spec.outputs)} outputs, its expansion has {len(expansion.outputs)}"
            )

        def values(slot: int, output: Any) -> Sequence[Any]:
            if not isinstance(output, Link):
                return values_of(spec, slot, output)
            made = live[keys[prefix + output.node_id]].values
            if output.slot >= len(made):
                raise TypeError(f"node '{output.node_id}' of its expansion has no output slot {output.slot}")
            return made[output.slot]

        return tuple(values(slot, output) for slot, output in enumerate(expansion.outputs))


def _free_prefix(display_id: str, expansion: Expansion, taken: Container[str]) -> str:
    prefixes = (f"{display_id}.{number}." for number in itertools.count())
    return next(prefix for prefix in prefixes if not any(prefix + node_id in taken for node_id in expansion.graph))


def _resolve(expansion: Expansion, prefix: str, around: Around) -> Checked:
    graph = expansion.graph
    named = [output.node_id for output in expansion.outputs if isinstance(output, Link)]
    for node_id in named:
        if node_id not in graph:
            raise InputInvalid(
                f"the node's expansion has no node '{node_id}', which one of its outputs names",
                remedy="correct the node's function",
            )
    documents = {
        prefix + node_id: NodeDocument.model_construct(
            class_type=node.get("class_type", ""),
            inputs={name: _input(value, prefix, graph) for name, value in node.get("inputs", {}).items()},
        )
        for node_id, node in graph.items()
    }
    showing = [node_id for node_id, node in graph.items() if _shows(around.registry.get(node.get("class_type", "")))]
    wanted = [prefix + node_id for node_id in dict.fromkeys([*named, *showing])]
    if not wanted:
        return Checked({}, (), (), {})
    workflow = Workflow.model_construct(nodes=documents)
    checked = inspect(workflow, around.registry, around.folders, wanted)
    if checked.problems:
        raise GraphInvalid(checked.problems)
    return checked


def _shows(spec: NodeSpec | None) -> bool:
    return spec is not None and spec.output_node


def _input(value: Any, prefix: str, graph: Mapping[str, Any]) -> Any:
    """An input as documents have it: links are lists, and values that are lists are wrapped."""
    if isinstance(value, Link):
        return [prefix + value.node_id, value.slot]
    if not isinstance(value, list):
        return value
    if len(value) == 2 and isinstance(value[0], str) and value[0] in graph and isinstance(value[1], int):
        return [prefix + value[0], value[1]]
    return {WRAPPED_VALUE: value}
