"""Reads the workflow that a command was given: a file, a picture that carries one, or standard input."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from engine.document import read_workflow
from engine.errors import WorkflowUnreadable
from engine.overrides import apply_overrides
from engine.registry import Registry
from engine.workflow import Workflow

STANDARD_INPUT = Path("-")


def read(path: Path, registry: Registry, overrides: Sequence[str] = ()) -> Workflow:
    """The workflow in API form with ``NODE.INPUT=VALUE`` overrides put in."""
    workflow = read_workflow(_contents(path), registry)
    return apply_overrides(workflow, overrides) if overrides else workflow


def _contents(path: Path) -> bytes:
    if path == STANDARD_INPUT:
        return sys.stdin.buffer.read()
    try:
        return path.read_bytes()
    except OSError as error:
        raise WorkflowUnreadable(
            f"workflow '{path}' cannot be read: {error.strerror}", remedy="give a JSON file or a picture"
        ) from error
