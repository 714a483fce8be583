"""Reads the workflow that a command was given: a file, a picture that carries one, or standard input."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from engine.convert import Note
from engine.document import read_document
from engine.overrides import apply_overrides
from engine.registry import Registry
from engine.workflow import Workflow

STANDARD_INPUT = Path("-")
_SHIPPED = Path(__file__).parents[3] / "graphs"


def own_or_shipped(path: Path) -> Path:
    """The same path; for a ``graphs/NAME`` that is not here the example that comes with the program, if it has one."""
    shipped = _SHIPPED / path.name
    return shipped if path.parent == Path("graphs") and not path.exists() and shipped.is_file() else path


def read(path: Path, registry: Registry, overrides: Sequence[str] = ()) -> Workflow:
    """The workflow in API form with ``NODE.INPUT=VALUE`` overrides put in; what was lost goes to standard error."""
    source = sys.stdin.buffer.read() if path == STANDARD_INPUT else path
    reading = read_document(source, registry)
    tell(reading.notes)
    return apply_overrides(reading.workflow, overrides, registry) if overrides else reading.workflow


def tell(notes: Iterable[Note]) -> None:
    """Say on standard error what was left out or filled in."""
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
