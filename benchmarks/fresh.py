"""Measuring in processes of their own: what one prints last is what it has found."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from engine.errors import DagfusionError

_TOLD_LINES = 5


def in_a_process(module: str, *arguments: str) -> Any:
    """``python -m module arguments``: the JSON of its last line. Raises ``DagfusionError`` where it fails."""
    return json.loads(process(module, arguments).stdout.splitlines()[-1])


def process(module: str, arguments: Sequence[str], options: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """The same, with all that it printed. ``options``: of Python. Raises ``DagfusionError`` with its last words."""
    # -P: a folder of the user's that is called like one of our packages is not imported instead of it.
    command = [sys.executable, "-P", *options, "-m", module, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        words = "\n".join(done.stderr.strip().splitlines()[-_TOLD_LINES:])
        raise DagfusionError(f"{module} ended with exit code {done.returncode}: {words or 'it says nothing'}")
    return done
