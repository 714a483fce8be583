"""Exit codes, and how errors end a command: one clear message on standard error, a traceback only on request."""

from __future__ import annotations

import json as jsonlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

from adapters.manifest.errors import ManifestInvalid
from engine.errors import Cancelled, DagfusionError, GraphInvalid, WorkflowUnreadable

OK = 0
FAILED = 1
INVALID = 2
CANCELLED = 130  # as a shell reports a process that Ctrl-C ended


def exit_code(error: BaseException) -> int:
    """2 for a workflow or manifest that cannot be used as it stands, 130 for a cancelled run, 1 for everything else."""
    if isinstance(error, Cancelled | KeyboardInterrupt):
        return CANCELLED
    if isinstance(error, GraphInvalid | WorkflowUnreadable | ManifestInvalid):
        return INVALID
    return FAILED


def as_document(error: DagfusionError) -> dict[str, object]:
    """The error for machines: its kind, message, remedy and, for an invalid graph, the problems."""
    document: dict[str, object] = {
        "error": type(error).__name__,
        "message": error.message,
        "remedy": error.remedy,
    }
    if isinstance(error, GraphInvalid):
        document["problems"] = [asdict(problem) for problem in error.problems]
    for name in ("node_id", "class_type", "input", "code"):
        if getattr(error, name, None) is not None:
            document[name] = getattr(error, name)
    return document


@contextmanager
def reported(*, json: bool, debug: bool) -> Iterator[None]:
    """Turn a dagfusion error into a message and an exit code. With ``debug`` it propagates, traceback and all."""
    try:
        yield
    except (DagfusionError, KeyboardInterrupt) as error:
        if debug and not isinstance(error, KeyboardInterrupt | Cancelled):
            raise
        _print_error(error, json=json)
        raise SystemExit(exit_code(error)) from None
    except BrokenPipeError:
        # The reader of our output went away (`dagfusion nodes | head`): nothing is wrong.
        sys.stdout = None
        raise SystemExit(OK) from None


def _print_error(error: BaseException, *, json: bool) -> None:
    if not isinstance(error, DagfusionError):
        error = Cancelled()
    if json:
        print(jsonlib.dumps(as_document(error)), flush=True)
    elif isinstance(error, GraphInvalid):
        print(f"error: the workflow cannot run; {len(error.problems)} problem(s):", file=sys.stderr)
        for problem in error.problems:
            print(f"  - {problem}", file=sys.stderr)
    else:
        print(f"error: {error}", file=sys.stderr)
