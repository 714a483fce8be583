"""Makes a runnable prompt of a workflow that came from outside: read, changed, given its files, and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.service.blobs.store import BlobStore
from adapters.service.intake.placing import place_files
from adapters.service.intake.rewrite import rewrite_inputs, unread
from adapters.service.store.records import InputFile
from engine.document import read_document
from engine.errors import GraphInvalid, Problem
from engine.folders import Folders
from engine.overrides import nodes_named, set_inputs
from engine.schema import NodeSpec
from engine.validate import Checked, inspect
from engine.workflow import Workflow
from nodes.families.lora_fit import lora_notes

_MAX_ID_CHARS = 200


@dataclass(frozen=True)
class Prepared:
    """A workflow that has been checked. ``targets``: ids of the wanted output nodes; ``None``: all of them."""

    workflow: Workflow
    targets: tuple[str, ...] | None
    files: tuple[InputFile, ...]
    notes: tuple[str, ...]
    checked: Checked


@dataclass(frozen=True)
class Preparation:
    """What preparing needs: the node classes, the folders, and the blob store that holds the files."""

    registry: Mapping[str, NodeSpec]
    folders: Folders
    blobs: BlobStore

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
        reading = read_document(document, self.registry)
        workflow = set_inputs(reading.workflow, overrides or {}, self.registry)
        workflow = rewrite_inputs(workflow, self.registry, files)
        check_ids(workflow)
        wanted = _targets(targets, workflow)
        place_files(files, self.blobs, self.folders.input)
        checked = inspect(workflow, self.registry, self.folders, wanted)
        notes = [str(note) for note in (*reading.notes, *checked.notes, *lora_notes(checked.nodes))]
        notes += [f"file '{name}' came along, but no input names it" for name in unread(workflow, files)]
        return Prepared(workflow, wanted, tuple(files), tuple(notes), checked)


def _targets(names: Sequence[str] | None, workflow: Workflow) -> tuple[str, ...] | None:
    if names is None:
        return None
    return tuple(dict.fromkeys(node_id for name in names for node_id in nodes_named(name, workflow.nodes)))


def check_ids(workflow: Workflow) -> None:
    """Databases keep ids as texts of limited length, which hold no NUL. Raises ``GraphInvalid`` for others."""
    bad = [node_id for node_id in workflow.nodes if len(node_id) > _MAX_ID_CHARS or "\0" in node_id]
    if bad:
        message = f"a node's id may have {_MAX_ID_CHARS} characters, none of them NUL"
        raise GraphInvalid([Problem("invalid_prompt", message, "use short ids", node_id[:60]) for node_id in bad])
