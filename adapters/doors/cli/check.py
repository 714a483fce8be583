"""``dagfusion check``: everything that is wrong with a workflow, without running it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from adapters.doors.cli import exits
from adapters.doors.cli.reading import read, tell
from adapters.doors.cli.session import Options, Session
from adapters.service.prepare.foretelling import Bounds, foretell
from engine.counted import counted
from engine.errors import Problem
from engine.validate import inspect
from nodes.families.lora_fit import lora_notes


def check_workflow(path: Path, options: Options, overrides: Sequence[str]) -> None:
    """Print all problems, or that there are none. Ends the process with code 1 where there are any."""
    session = Session(options, path)
    workflow = read(path, session.registry, overrides)
    checked = inspect(workflow, session.registry, session.folders)
    checked = foretell(checked, workflow.as_prompt(), session.folders, Bounds.of(session.settings))
    problems = checked.problems
    notes = [*checked.notes, *lora_notes(checked.nodes)]
    if options.json:
        told = [asdict(problem) for problem in problems]
        print(json.dumps({"problems": told, "notes": [str(note) for note in notes]}))
    else:
        tell(notes)
        _print(problems, len(checked.nodes))
    if problems:
        raise SystemExit(exits.FAILED)


def _print(problems: Sequence[Problem], count: int) -> None:
    for problem in problems:
        print(f"- {problem.where}: {problem.message} [{problem.code}]")
        if problem.remedy:
            print(f"    {problem.remedy}")
    if problems:
        print(counted(len(problems), "problem"))
    else:
        print(f"no problems: {count} nodes are ready to run")
