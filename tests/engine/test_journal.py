"""Files of attempts that died: taken over, removed, or left alone where they are another's."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.encoded import digest_of
from engine.journal import Journal


@pytest.fixture
def died(tmp_path: Path) -> Path:
    """A folder in which an attempt put three files, and was about to put a fourth; another's is there as well."""
    journal = Journal(tmp_path, "job", 1)
    for name in ("a", "b", "c"):
        (tmp_path / name).write_text(name)
        journal.put(tmp_path / name, digest_of(tmp_path / name))
    journal.put(tmp_path / "d", "0" * 64)
    (tmp_path / "d").write_text("of another run, which took the name first")
    (tmp_path / "e").write_text("of nobody")
    return tmp_path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def test_only_the_files_of_the_last_attempt_are_left(died: Path) -> None:
    (died / "c").write_text("changed since")
    journal = Journal(died, "job", 2)
    assert journal.again
    journal.uses(died / "b")
    (died / "f").write_text("f")
    journal.put(died / "f", digest_of(died / "f"))
    journal.leave_own()
    assert names(died) == ["b", "c", "d", "e", "f"]
    journal.close()
    assert len(list(died.iterdir())) == 5


def test_a_line_that_was_cut_short_counts_for_nothing(died: Path) -> None:
    (hidden,) = (path for path in died.iterdir() if path.name.startswith("."))
    hidden.write_text(hidden.read_text()[:-30])
    Journal(died, "job", 2).leave_own()
    assert names(died) == ["d", "e"]


def test_of_other_work_nothing_is_known(died: Path) -> None:
    other = Journal(died, "other", 2)
    other.leave_own()
    other.close()
    assert names(died) == ["a", "b", "c", "d", "e"]
    assert not Journal(died, "job", 1).again
