"""Exit codes, and how errors end a command: one clear message on standard error, a traceback only on request."""

from __future__ import annotations

import json as jsonlib
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from adapters.doors.cli import INTERRUPTED
from adapters.host.models.errors import ManifestInvalid, PullFailed
from adapters.service.error_documents import error_document
from engine.errors import Cancelled, DagfusionError, GraphInvalid, NodeFailed, WorkflowUnreadable

OK = 0
FAILED = 1
INVALID = 2
CANCELLED = INTERRUPTED


def exit_code(error: BaseException) -> int:
    """2 for a workflow or manifest that cannot be used as it stands, 130 for a cancelled run, 1 for everything else."""
    if isinstance(error, Cancelled | KeyboardInterrupt):
        return CANCELLED
    if isinstance(error, GraphInvalid | WorkflowUnreadable | ManifestInvalid):
        return INVALID
    return FAILED


def as_document(error: DagfusionError) -> dict[str, object]:
    """The error for machines, as everywhere else, but with its kind as ``error``, and the code of a failed fetch."""
    document = error_document(error, paths=True)
    code = {"code": error.code} if isinstance(error, PullFailed) else {}
    return {"error": document.pop("type"), **document, **code}


@contextmanager
def reported(*, json: bool, debug: bool) -> Iterator[None]:
    """Turn whatever is raised within into one message and an exit code; with ``debug`` after its traceback."""
    try:
        yield
    except BrokenPipeError:
        # The reader of our output went away (`dagfusion nodes | head`): nothing is wrong.
        sys.stdout = None
        raise SystemExit(OK) from None
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the end of the line for every error
        if debug:
            traceback.print_exception(error)
        _print_error(_told(error), json=json)
        raise SystemExit(exit_code(error)) from None


def _told(error: BaseException) -> DagfusionError:
    """The error as users are told of it."""
    if type(error) is NodeFailed and not error.remedy and not isinstance(error.__cause__, DagfusionError):
        error.remedy = f"{error.cause_type}; run it again with --debug to see where"
    if isinstance(error, DagfusionError):
        return error
    if isinstance(error, KeyboardInterrupt):
        return Cancelled()
    reason = str(error) or "no reason given"
    return DagfusionError(f"{type(error).__name__}: {reason}", remedy="run it again with --debug to see where")


def _print_error(error: DagfusionError, *, json: bool) -> None:
    if json:
        print(jsonlib.dumps(as_document(error)), flush=True)
    elif isinstance(error, GraphInvalid):
        print(f"error: the workflow cannot run; {len(error.problems)} problem(s):", file=sys.stderr)
        for problem in error.problems:
            print(f"  - {problem}", file=sys.stderr)
    else:
        print(f"error: {error}", file=sys.stderr)
