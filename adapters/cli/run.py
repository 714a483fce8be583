"""``dagfusion run``: runs a workflow and says where its results are."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from adapters.cli.progress import watcher
from adapters.cli.reading import read
from adapters.cli.session import Options, Session
from engine.context import CancelToken
from engine.errors import WorkflowUnreadable
from engine.overrides import find_node, set_seeds
from engine.types import SavedFile
from engine.workflow import Workflow

if TYPE_CHECKING:
    from engine.folders import Folders
    from engine.result import RunResult


def run_workflow(
    path: Path, options: Options, *, overrides: Sequence[str], seed: int | None, only: Sequence[str]
) -> None:
    """Run it, show progress, print the results. Raises what the engine raises; Ctrl-C cancels within a step."""
    session = Session(options)
    workflow = read(path, session.registry, overrides)
    if seed is not None:
        workflow = set_seeds(workflow, session.registry, seed)
    with watcher(json=options.json) as listener, cancelled_by_ctrl_c() as cancel:
        outputs = [node_id for name in only for node_id in named(name, workflow)] or None
        result = session.engine.run(workflow, outputs, listeners=[listener], cancel=cancel)
    if options.json:
        print(json.dumps({"event": "Outputs", "outputs": _outputs(result, session.folders)}))
    else:
        _print_outputs(result, session.folders)


def named(name: str, workflow: Workflow) -> list[str]:
    """Ids of the nodes with this id, title or class. Raises ``WorkflowUnreadable`` where there is none."""
    found = find_node(name, workflow.nodes)
    if not found:
        raise WorkflowUnreadable(f"no node has the id, title or class '{name}'", remedy="see the workflow's nodes")
    return found


@contextmanager
def cancelled_by_ctrl_c() -> Iterator[CancelToken]:
    """A token that the first Ctrl-C sets; a second one interrupts at once."""
    token = CancelToken()

    def cancel(_signal: int, _frame: FrameType | None) -> None:
        if token.cancelled:
            raise KeyboardInterrupt
        token.cancel()

    before = signal.signal(signal.SIGINT, cancel)
    try:
        yield token
    finally:
        signal.signal(signal.SIGINT, before)


def _outputs(result: RunResult, folders: Folders) -> dict[str, object]:
    return {
        node_id: {kind: [_plain(item, folders) for item in items] for kind, items in output.shown.items()}
        | {"cached": output.cached}
        for node_id, output in result.outputs.items()
    }


def _plain(item: object, folders: Folders) -> object:
    if not isinstance(item, SavedFile):
        return item
    return item.as_wire() | {"path": str(folders.path_of(item)), "media_type": item.media_type}


def _print_outputs(result: RunResult, folders: Folders) -> None:
    for output in result.outputs.values():
        for items in output.shown.values():
            for item in items:
                if isinstance(item, SavedFile):
                    print(folders.path_of(item))
                elif isinstance(item, str):
                    print(item)
