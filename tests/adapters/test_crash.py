"""Nothing is lost and nothing done twice when processes die. The long version is ``python -m benchmarks.crash``."""

from __future__ import annotations

from pathlib import Path

from benchmarks.crash import run


def test_kills_at_random_moments_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    report = run(tmp_path, kills=6, jobs=30, seed=1, steps=4)
    assert sum(report.kills.values()) == 6
    assert report.jobs >= 30
    assert report.faults == {}
