"""Finds everything that is wrong with a workflow before anything runs, and resolves the nodes that are sound."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import dropwhile

from engine.errors import Problem
from engine.folders import Folders
from engine.left_out import why_left_out
from engine.links import BrokenInput, read_links
from engine.notes import Note
from engine.packs import CORE, CORE_ID, pack_of
from engine.resolve import resolve
from engine.resolved import ResolvedNode
from engine.schema import NodeSpec
from engine.suggest import nearest
from engine.types import Link
from engine.workflow import NodeDocument, Workflow

MAX_CYCLES = 20  # of which the members are told
MAX_SUGGESTIONS = 100  # for unknown classes: comparing a name with all that are known takes milliseconds


@dataclass(frozen=True, slots=True)
class Checked:
    """What validation found.

    ``nodes``: the sound nodes that the wanted outputs need, each after all that it reads. ``outputs``: the wanted
    nodes that can run. ``problems``: all problems, in the document's order. ``reads``: for every node looked at, the
    nodes it has links to. ``notes``: what was filled in for the workflow, in the order in which the nodes run.
    ``beyond``: sound nodes that nothing wanted reads, but might if a link to nowhere led to them.
    """

    nodes: Mapping[str, ResolvedNode]
    outputs: tuple[str, ...]
    problems: tuple[Problem, ...]
    reads: Mapping[str, tuple[str, ...]]
    notes: tuple[Note, ...] = ()
    beyond: Mapping[str, ResolvedNode] = field(default_factory=dict)


def inspect(
    workflow: Workflow, registry: Mapping[str, NodeSpec], folders: Folders, outputs: Sequence[str] | None = None
) -> Checked:
    """Check what the wanted ``outputs`` need: any node ids, or by default every output node.

    Nodes that nothing wanted needs are not looked at, as in ComfyUI; but by default a class that is not known is a
    problem wherever it stands, since it may be an output node. Never raises for what a workflow says.
    """
    return _Check(workflow, registry, folders).run(outputs)


def dependent_outputs(checked: Checked, wanted: Sequence[str]) -> dict[str, list[str]]:
    """For each node with a problem, which of the ``wanted`` outputs need it (ComfyUI's ``dependent_outputs``)."""
    found: dict[str, list[str]] = {p.node_id: [] for p in checked.problems if p.node_id is not None}
    for output in wanted:
        seen, stack = {output}, [output]
        while stack:
            node_id = stack.pop()
            if node_id in found:
                found[node_id].append(output)
            fresh = [other for other in checked.reads.get(node_id, ()) if other not in seen]
            seen.update(fresh)
            stack += fresh
    return found


class _Check:
    def __init__(self, workflow: Workflow, registry: Mapping[str, NodeSpec], folders: Folders) -> None:
        self.documents = workflow.nodes
        self.registry = registry
        self.folders = folders
        self.specs: dict[str, NodeSpec | None] = {}
        self.links: dict[str, dict[str, Link]] = {}
        self.reads: dict[str, tuple[str, ...]] = {}
        self.closed: dict[str, bool] = {}  # node id -> sound, once all upstream of it is known
        self.nodes: dict[str, ResolvedNode] = {}
        self.problems: list[Problem] = []
        self.suggestions: dict[tuple[str, str | None], str] = {}
        self.cycles = 0

    def run(self, outputs: Sequence[str] | None) -> Checked:
        if outputs is None:
            unknown = [i for i, node in self.documents.items() if self.spec(node.class_type) is None]
            wanted = [i for i, node in self.documents.items() if self._is_output(node.class_type)]
            if not wanted and not unknown:
                self._no_outputs()
            self._walk([*wanted, *unknown])
        else:
            wanted = [node_id for node_id in dict.fromkeys(outputs) if self._is_there(node_id)]
            if not outputs:
                self._no_outputs()
            self._walk(wanted)
        needed = dict(self.nodes)
        self._walk(self._behind_cuts())
        beyond = {node_id: node for node_id, node in self.nodes.items() if node_id not in needed}
        places = {node_id: place for place, node_id in enumerate(self.documents)} if self.problems else {}
        self.problems.sort(key=lambda problem: places.get(problem.node_id or "", -1))
        sound = tuple(node_id for node_id in wanted if self.closed.get(node_id))
        notes = tuple(note for node in needed.values() if node.filled for note in _filled(node))
        return Checked(needed, sound, tuple(self.problems), self.reads, notes, beyond)

    def _behind_cuts(self) -> list[str]:
        """Nodes that a link to nowhere may have come from: none reads them, and they make what it should bring."""
        wires = {self._wire(problem) for problem in self.problems if problem.code == "bad_linked_input"} - {None}
        if not wires:
            return []
        ends = [node_id for node_id in self.documents if node_id not in self.reads]
        read = {link.node_id for node_id in ends for link in self._links_of(node_id).values()}
        return [node_id for node_id in ends if node_id not in read and self._makes(node_id, wires)]

    def _links_of(self, node_id: str) -> dict[str, Link]:
        node = self.documents[node_id]
        return read_links(self.spec(node.class_type), node.inputs, self.documents)[0]

    def _wire(self, problem: Problem) -> str | None:
        spec = self.spec(problem.class_type or "")
        taken = None if spec is None else spec.inputs.get(problem.input or "")
        return None if taken is None else taken.wire

    def _makes(self, node_id: str, wires: Set[str | None]) -> bool:
        spec = self.spec(self.documents[node_id].class_type)
        return spec is not None and any(output.wire in wires for output in spec.outputs)

    def spec(self, class_type: str) -> NodeSpec | None:
        if class_type not in self.specs:
            self.specs[class_type] = self.registry.get(class_type)
        return self.specs[class_type]

    def _is_output(self, class_type: str) -> bool:
        spec = self.spec(class_type)
        return spec is not None and spec.output_node

    def _is_there(self, node_id: str) -> bool:
        if node_id in self.documents:
            return True
        near = nearest(node_id, self.documents) if len(self.documents) < 1000 else ""
        remedy = f"did you mean {near}?" if near else "choose one of the workflow's nodes"
        self.problems.append(Problem("prompt_no_outputs", f"there is no node '{node_id}' to make outputs of", remedy))
        return False

    def _no_outputs(self) -> None:
        message = "the workflow has no output node" if self.documents else "the workflow has no nodes"
        self.problems.append(Problem("prompt_no_outputs", message, "add a node that saves or shows, such as SaveImage"))

    def _walk(self, wanted: Sequence[str]) -> None:
        """Depth first, without recursion: each node is opened before and closed after all that it reads."""
        path: list[tuple[str, Iterator[str]]] = []
        open_nodes: set[str] = set()
        for start in wanted:
            if start not in self.reads:
                path.append((start, self._open(start)))
                open_nodes.add(start)
            while path:
                node_id, upstream = path[-1]
                for other in upstream:
                    if other in open_nodes:
                        self.closed[node_id] = False  # What reads it becomes unsound by reading it.
                        self._cycle(path, other)
                    elif other not in self.reads:
                        path.append((other, self._open(other)))
                        open_nodes.add(other)
                        break
                else:
                    path.pop()
                    open_nodes.discard(node_id)
                    self.closed[node_id] = self._close(node_id)

    def _open(self, node_id: str) -> Iterator[str]:
        node = self.documents[node_id]
        spec = self.spec(node.class_type)
        if spec is None:
            self._unknown_class(node_id, node)
        links, broken = read_links(spec, node.inputs, self.documents)
        self._report(node_id, broken)
        if broken or spec is None:
            self.closed[node_id] = False
        self.links[node_id] = links
        self.reads[node_id] = tuple(dict.fromkeys(link.node_id for link in links.values()))
        return iter(self.reads[node_id])

    def _close(self, node_id: str) -> bool:
        node = self.documents[node_id]
        spec = self.spec(node.class_type)
        if spec is None:
            return False
        upstream = {other: self.spec(self.documents[other].class_type) for other in self.reads[node_id]}
        resolved, broken = resolve(node_id, node, spec, self.links[node_id], upstream, self.folders)
        self._report(node_id, broken)
        sound = not broken and node_id not in self.closed and all(map(self.closed.get, self.reads[node_id]))
        if sound:
            self.nodes[node_id] = resolved
        return sound

    def _report(self, node_id: str, broken: Sequence[BrokenInput]) -> None:
        class_type = self.documents[node_id].class_type
        self.problems += [Problem(b.code, b.message, b.remedy, node_id, class_type, b.input) for b in broken]

    def _cycle(self, path: Sequence[tuple[str, object]], first: str) -> None:
        self.cycles += 1
        if self.cycles > MAX_CYCLES:
            return  # Finding the members takes time in proportion to the path.
        members = [*dropwhile(lambda node_id: node_id != first, (node_id for node_id, _ in path))]
        way = " -> ".join(members[:20]) + (" -> ..." if len(members) > 20 else f" -> {first}")
        message = f"a cycle, so the node would need its own output: {way} (each reads the next)"
        after = members[1] if len(members) > 1 else first
        name = next(name for name, link in self.links[first].items() if link.node_id == after)
        class_type = self.documents[first].class_type
        self.problems.append(Problem("dependency_cycle", message, "remove one of these links", first, class_type, name))

    def _unknown_class(self, node_id: str, node: NodeDocument) -> None:
        class_type = node.class_type
        if not class_type:
            self.problems.append(
                Problem("invalid_prompt", "the node has no class_type", "give it one, or remove it", node_id)
            )
            return
        known = (class_type, node.pack)
        if known not in self.suggestions:
            few = len(self.suggestions) < MAX_SUGGESTIONS
            similar = _similar(class_type, self.registry) if few else ""
            self.suggestions[known] = _origin(class_type, node.pack) or similar
        message = f"there is no node class '{class_type}'"
        self.problems.append(Problem("missing_node_type", message, self.suggestions[known], node_id, class_type))


def _filled(node: ResolvedNode) -> Iterator[Note]:
    for name in node.filled:
        message = f"'{name}' is not in the workflow, so it has its default, {node.literals[name]!r}"
        yield Note("default", message, node.id, node.class_type)


def _origin(class_type: str, said: str | None) -> str:
    """Where the class comes from, by its name or by what the file ``said``; empty where neither tells."""
    if why := why_left_out(class_type):
        return why
    pack = pack_of(class_type) or said
    if pack in (CORE, CORE_ID):
        return "it is one of ComfyUI's own, which is not supported yet"
    return f"it comes from the community pack {pack}; put that into a folder that --packs names" if pack else ""


def _similar(class_type: str, registry: Mapping[str, NodeSpec]) -> str:
    near = nearest(class_type, registry)
    return f"did you mean {near}?" if near else "no node of a similar name is known"
