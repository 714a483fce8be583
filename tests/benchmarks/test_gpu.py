"""The script of what only a GPU can tell names cases and parameters that are there, and goes on where one fails."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from benchmarks import registry

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu.sh"
# Writes down how it was called; the case named in BROKEN fails.
PROGRAM = """#!/usr/bin/env bash
echo "$@" >>"$CALLS"
[ "${2:-}" != "${BROKEN:-}" ]
"""


def calls(folder: Path, **environment: str) -> tuple[int, list[list[str]]]:
    """The script's exit code, and the arguments of each call of the program."""
    program = folder / "program"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    made = {"DAGFUSION": str(program), "CALLS": str(folder / "calls"), **environment}
    done = subprocess.run(["bash", str(SCRIPT), str(folder / "out")], env={**os.environ, **made}, capture_output=True)
    return done.returncode, [line.split() for line in (folder / "calls").read_text().splitlines()]


@pytest.mark.parametrize("quick", ["", "1"])
def test_its_stages_are_cases_with_parameters_that_they_have(tmp_path: Path, quick: str) -> None:
    code, made = calls(tmp_path, QUICK=quick, DEVICE="cpu")
    stages = [call for call in made if call[0] == "bench"]
    assert code == 0
    assert len(stages) == 8
    for _, name, *options in stages:
        axes = registry.find(name).axes
        chosen = [options[place + 1].split("=")[0] for place, option in enumerate(options) if option == "--set"]
        assert set(chosen) <= set(axes)
        assert ("--quick" in options) == bool(quick)


def test_a_stage_that_fails_leaves_the_others(tmp_path: Path) -> None:
    code, made = calls(tmp_path, BROKEN="step")
    assert code == 1
    assert [call[1] for call in made if call[0] == "bench"][-1] == "load"
    report = (tmp_path / "out" / "report.txt").read_text()
    assert report.count("failed, or took more than") == 2
