"""The runner over media files: what it calls right is so, and it sees what is wrong."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.media import runner
from benchmarks.media.readers import ours
from benchmarks.media.row import Row
from benchmarks.media.rows import rows


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.file)
def test_every_row_is_right_here(tmp_path: Path, row: Row) -> None:
    path = tmp_path / row.file
    row.make(path)
    assert runner.told(row, ours, path) == "right"


def test_there_are_no_two_rows_of_one_file() -> None:
    assert len({row.file for row in rows()}) == len(rows()) > 110


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    row = next(row for row in rows() if row.name == "turned by 90")
    row.make(tmp_path / row.file)
    found = ours(row, tmp_path / row.file)
    wrong = {**found, "size": (128, 96), "corners": found["corners"][::-1]}
    said = runner.faults(row, wrong)
    assert said[0] == "size (128, 96)"
    assert said[1].startswith("corners off by 1")
    assert runner.faults(row, {}) == []


def test_a_refusal_is_right_only_where_it_is_the_one_that_is_due(tmp_path: Path) -> None:
    rows_ = {row.name: row for row in rows()}
    faulty, whole = rows_["an empty file"], rows_["MP4"]
    for row in (faulty, whole):
        row.make(tmp_path / row.file)
    assert runner.told(faulty, ours, tmp_path / faulty.file) == "right"
    assert runner.told(whole, ours, tmp_path / faulty.file).startswith("InputInvalid: 'empty.mp4' is no readable film")
    assert runner.told(faulty, ours, tmp_path / whole.file) == "is not refused"


def test_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    some = rows()[:2]
    monkeypatch.setattr(runner, "rows", lambda: some)
    monkeypatch.setattr(sys, "argv", ["media", str(tmp_path / "made")])
    assert runner.main() == 0
    said = capsys.readouterr().out
    assert "turned by 180" in said
    assert "of 2 rows wrong: here 0" in said
    monkeypatch.setattr(runner, "ours", lambda row, path: {"size": (1, 1)})
    assert runner.main() == 1
    assert "of 2 rows wrong: here 2" in capsys.readouterr().out
