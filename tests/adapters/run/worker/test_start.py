"""A worker that is told to stop while it starts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
# Libraries that are being imported lose exceptions that a signal's handler raises amid their code, as this file does.
SIGNALLED = """
import os

try:
    os.kill(os.getpid(), {number})
    for _ in range(100):
        pass
except BaseException:
    pass
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_at_once_whatever_is_being_imported(
    offline_environment: dict[str, str], tmp_path: Path, number: signal.Signals
) -> None:
    (tmp_path / "nodes").mkdir()
    (tmp_path / "nodes" / "signalled.py").write_text(SIGNALLED.format(number=int(number)))
    command = [sys.executable, "-m", "adapters.doors.cli", "worker", "--nodes", "nodes", "--data", "data"]
    environment = offline_environment | {"PYTHONPATH": os.pathsep.join([offline_environment["PYTHONPATH"], str(ROOT)])}
    process = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert (process.returncode, process.stderr) == (0, "")
