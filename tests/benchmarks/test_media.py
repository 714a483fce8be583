"""The runner over media files: what it calls right is so, and it sees what is wrong."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks import media
from benchmarks.media_rows import Row, rows


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.name)
def test_every_row_is_right_here(tmp_path: Path, row: Row) -> None:
    path = tmp_path / row.file
    row.make(path)
    assert media.faults(row, media.ours(path)) == []


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    row = next(row for row in rows() if row.name == "turned by 90")
    row.make(tmp_path / row.file)
    found = media.ours(tmp_path / row.file)
    wrong = {**found, "size": (128, 96), "corners": found["corners"][::-1]}
    said = media.faults(row, wrong)
    assert said[0] == "size (128, 96)"
    assert said[1].startswith("corners off by 1")
    assert media.faults(row, {}) == []


def test_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    some = rows()[:2]
    monkeypatch.setattr(media, "rows", lambda: some)
    monkeypatch.setattr(sys, "argv", ["media", str(tmp_path / "made")])
    assert media.main() == 0
    said = capsys.readouterr().out
    assert "turned by 180" in said
    assert "0 of 2 rows wrong here" in said
    monkeypatch.setattr(media, "ours", lambda path: {"size": (1, 1)})
    assert media.main() == 1
    assert "2 of 2 rows wrong here" in capsys.readouterr().out
