"""``dagfusion run``: runs a workflow and says where its results are."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from adapters.doors.cli.progress import watcher
from adapters.doors.cli.reading import read, tell
from adapters.doors.cli.session import Options, Session
from engine.context import CancelToken
from engine.errors import GraphInvalid
from engine.overrides import nodes_named, set_seeds
from engine.types import SavedFile
from engine.validate import inspect

if TYPE_CHECKING:
    from engine.folders import Folders
    from engine.result import RunResult


def run_workflow(
    path: Path, options: Options, *, overrides: Sequence[str], seed: int | None, only: Sequence[str]
) -> None:
    """Run it, show progress, print the results. Raises what the engine raises; Ctrl-C cancels within a step."""
    session = Session(options, path)
    workflow = read(path, session.registry, overrides)
    if seed is not None:
        workflow = set_seeds(workflow, session.registry, seed)
    outputs = [node_id for name in only for node_id in nodes_named(name, workflow.nodes)] or None
    # The engine checks too, but making one loads torch: whoever made a mistake need not wait for that.
    checked = inspect(workflow, session.registry, session.folders, outputs)
    if checked.problems:
        raise GraphInvalid(checked.problems)
    tell(checked.notes)
    with watcher(json=options.json) as listener, cancelled_by_ctrl_c() as cancel:
        result = session.engine.run(workflow, outputs, listeners=[listener], cancel=cancel)
    if options.json:
        print(json.dumps({"event": "Outputs", "outputs": _outputs(result, session.folders)}))
    else:
        _print_outputs(result, session.folders)


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
