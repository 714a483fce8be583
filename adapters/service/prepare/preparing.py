"""Makes a runnable prompt of a workflow that came from outside: read, changed, given its files, and checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.service.blobs.store import BlobStore
from adapters.service.intake.placing import place_files
from adapters.service.intake.rewrite import rewrite_inputs, unread
from adapters.service.needs import needs_of
from adapters.service.prepare.foretelling import Bounds, foretell
from adapters.service.store.records import InputFile
from engine.collection import collection_paused
from engine.document import read_document
from engine.errors import GraphInvalid, Problem
from engine.folders import Folders
from engine.overrides import nodes_named, set_inputs
from engine.registry import Registry
from engine.schema import NodeSpec
from engine.validate import Checked, inspect
from engine.workflow import Workflow
from nodes.families.lora_fit import lora_notes

_MAX_ID_CHARS = 200


def named_nodes(names: Sequence[str], workflow: Workflow, _: Mapping[str, NodeSpec]) -> tuple[str, ...]:
    """Ids of the nodes that ``names`` mean: ids, titles or classes. Raises ``GraphInvalid`` where one means none."""
    return tuple(dict.fromkeys(node_id for name in names for node_id in nodes_named(name, workflow.nodes)))


Choose = Callable[[Sequence[str], Workflow, Mapping[str, NodeSpec]], tuple[str, ...]]


@dataclass(frozen=True)
class Prepared:
    """A workflow that has been checked; ``prompt``: in API form, whole. ``targets``: ids of the wanted output nodes;
    ``None``: all of them.
    """

    workflow: Workflow
    prompt: Mapping[str, Mapping[str, Any]]
    targets: tuple[str, ...] | None
    files: tuple[InputFile, ...]
    notes: tuple[str, ...]
    checked: Checked

    def needs(self, registry: Registry, folders: Folders) -> tuple[str, ...]:
        """What the nodes that will run need and not every worker has; see :func:`needs_of`."""
        return needs_of({node_id: self.prompt[node_id] for node_id in self.checked.nodes}, registry, folders)


@dataclass(frozen=True)
class Preparation:
    """What preparing needs: the node classes, the folders, and the blob store that holds the files.

    ``choose``: which nodes a request's targets mean. ``bounds``: of what is told beforehand.
    """

    registry: Mapping[str, NodeSpec]
    folders: Folders
    blobs: BlobStore
    bounds: Bounds
    choose: Choose = named_nodes

    def prepare(
        self,
        document: Mapping[str, Any] | bytes,
        files: Sequence[InputFile] = (),
        overrides: Mapping[str, Any] | None = None,
        targets: Sequence[str] | None = None,
    ) -> Prepared:
        """Read and check the workflow. Problems of the graph are in ``checked``.

        Raises ``WorkflowUnreadable``, ``GraphInvalid`` where not even its nodes can be told, and what placing raises.
        """
        with collection_paused():
            reading = read_document(document, self.registry)
            workflow = set_inputs(reading.workflow, overrides or {}, self.registry)
            workflow = rewrite_inputs(workflow, self.registry, files)
            check_ids(workflow)
            wanted = None if targets is None else self.choose(targets, workflow, self.registry)
        place_files(files, self.blobs, self.folders.input)
        with collection_paused():
            checked = inspect(workflow, self.registry, self.folders, wanted)
            prompt = workflow.as_prompt()
            checked = foretell(checked, prompt, self.folders, self.bounds)
            notes = [str(note) for note in (*reading.notes, *checked.notes, *lora_notes(checked.nodes))]
        notes += [f"file '{name}' came along, but no input names it" for name in unread(workflow, files)]
        return Prepared(workflow, prompt, wanted, tuple(files), tuple(notes), checked)


def check_ids(workflow: Workflow) -> None:
    """Databases keep ids as texts of limited length, which hold no NUL. Raises ``GraphInvalid`` for others."""
    bad = [node_id for node_id in workflow.nodes if len(node_id) > _MAX_ID_CHARS or "\0" in node_id]
    if bad:
        message = f"a node's id may have {_MAX_ID_CHARS} characters, none of them NUL"
        raise GraphInvalid([Problem("invalid_prompt", message, "use short ids", node_id[:60]) for node_id in bad])
