"""``dagfusion check``: everything that is wrong with a workflow, without running it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from adapters.doors.cli import exits
from adapters.doors.cli.reading import read, tell
from adapters.doors.cli.session import Options, Session
from engine.counted import counted
from engine.errors import Problem
from engine.validate import inspect


def check_workflow(path: Path, options: Options, overrides: Sequence[str]) -> None:
    """Print all problems, or that there are none. Ends the process with code 1 where there are any."""
    session = Session(options, path)
    workflow = read(path, session.registry, overrides)
    checked = inspect(workflow, session.registry, session.folders)
    if options.json:
        problems = [asdict(problem) for problem in checked.problems]
        print(json.dumps({"problems": problems, "notes": [str(note) for note in checked.notes]}))
    else:
        tell(checked.notes)
        _print(checked.problems, len(checked.nodes))
    if checked.problems:
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
