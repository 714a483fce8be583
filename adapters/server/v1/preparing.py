"""Makes a runnable prompt of a request: the workflow read, changed, given its files, and checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from anyio.to_thread import run_sync

from adapters.intake.placing import place_files
from adapters.intake.rewrite import rewrite_inputs
from adapters.server.services import Services
from adapters.server.v1.submission import WorkflowRequest
from adapters.server.v1.submission_bodies import Body
from adapters.store.records import InputFile
from engine.document import read_document
from engine.errors import GraphInvalid, Problem
from engine.overrides import nodes_named, set_inputs
from engine.validate import Checked, inspect
from engine.workflow import Workflow

_MAX_ID_CHARS = 200


@dataclass(frozen=True)
class Prepared:
    """A workflow that has been checked. ``targets``: ids of the wanted output nodes; ``None``: all of them."""

    workflow: Workflow
    targets: tuple[str, ...] | None
    files: tuple[InputFile, ...]
    notes: tuple[str, ...]
    checked: Checked


async def prepare(body: Body[WorkflowRequest], now: Services) -> Prepared:
    """Take the files, then read and check the workflow. Raises ``WorkflowUnreadable``, ``GraphInvalid`` where not even
    its nodes can be told, and what taking files raises. Problems of the graph are in ``checked``.
    """
    files = await now.intake.take(body.sources)
    return await run_sync(_prepare, body, files, now)


def _prepare(body: Body[WorkflowRequest], files: Sequence[InputFile], now: Services) -> Prepared:
    reading = read_document(body.picture or body.request.workflow, now.registry)
    workflow = set_inputs(reading.workflow, body.request.overrides, now.registry)
    workflow = rewrite_inputs(workflow, now.registry, files)
    _check_ids(workflow)
    targets = _targets(body.request.targets, workflow)
    place_files(files, now.blobs, now.folders.input)
    checked = inspect(workflow, now.registry, now.folders, targets)
    return Prepared(workflow, targets, tuple(files), tuple(str(note) for note in reading.notes), checked)


def _targets(names: Sequence[str] | None, workflow: Workflow) -> tuple[str, ...] | None:
    if names is None:
        return None
    return tuple(dict.fromkeys(node_id for name in names for node_id in nodes_named(name, workflow.nodes)))


def _check_ids(workflow: Workflow) -> None:
    """Databases keep ids as texts of limited length, which hold no NUL."""
    bad = [node_id for node_id in workflow.nodes if len(node_id) > _MAX_ID_CHARS or "\0" in node_id]
    if bad:
        message = f"a node's id may have {_MAX_ID_CHARS} characters, none of them NUL"
        raise GraphInvalid([Problem("invalid_prompt", message, "use short ids", node_id[:60]) for node_id in bad])
