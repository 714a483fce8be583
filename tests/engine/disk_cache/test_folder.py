"""The folder of the disk cache: bounded, least recently used first, nothing but its own files touched."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path

import pytest

from engine.disk_cache.folder import SUFFIX, BoundedFolder

BLOCK = 4096


@pytest.fixture
def folder(tmp_path: Path) -> BoundedFolder:
    return BoundedFolder(tmp_path / "a" / "cache", 64 * BLOCK)


def names(folder: BoundedFolder) -> set[str]:
    return {path.name.removesuffix(SUFFIX) for path in folder.folder.glob(f"*{SUFFIX}")}


def bytes_there(folder: BoundedFolder) -> int:
    return sum(-(-path.stat().st_size // BLOCK) * BLOCK for path in folder.folder.iterdir())


def used_at(folder: BoundedFolder, name: str, seconds_ago: float) -> None:
    then = time.time() - seconds_ago
    os.utime(folder.folder / f"{name}{SUFFIX}", (then, then))


def test_what_was_written_is_read(folder: BoundedFolder) -> None:
    assert folder.read("a") is None
    folder.write("a", b"one")
    folder.write("a", b"two")
    assert folder.read("a") == b"two"
    assert [path.name for path in folder.folder.iterdir()] == [f"a{SUFFIX}"]
    folder.drop("a")
    folder.drop("a")
    assert folder.read("a") is None


def test_others_have_no_business_in_the_folder(folder: BoundedFolder) -> None:
    folder.write("a", b"")
    assert folder.folder.stat().st_mode & 0o077 == 0


def test_the_bound_holds_whatever_is_written(folder: BoundedFolder) -> None:
    for number in range(300):
        folder.write(f"{number}", bytes(1 + 1000 * (number % 7)))
        assert bytes_there(folder) <= folder.budget_bytes
    assert bytes_there(folder) > folder.budget_bytes / 2
    assert folder.bytes_used == bytes_there(folder)
    assert folder.evictions == 300 - len(names(folder))
    assert "299" in names(folder)
    assert "0" not in names(folder)


def test_the_bound_holds_for_what_other_processes_wrote(folder: BoundedFolder) -> None:
    others = [BoundedFolder(folder.folder, folder.budget_bytes) for _ in range(4)]
    for number in range(300):
        others[number % 4].write(f"{number}", bytes(3000))
        assert bytes_there(folder) <= folder.budget_bytes * (1 + 3 / 16)


def test_least_recently_used_goes_first(folder: BoundedFolder) -> None:
    for number in range(58):
        folder.write(f"{number}", b"x")
        used_at(folder, f"{number}", 1000 - number)
    assert folder.touch("0")
    assert folder.touch("1")
    for number in range(58, 66):
        folder.write(f"{number}", b"x")
    gone = {f"{number}" for number in range(66)} - names(folder)
    assert gone == {f"{number}" for number in range(2, 2 + len(gone))} != set()
    assert not folder.touch("2")


def test_what_took_long_outlasts_what_was_used_later(folder: BoundedFolder) -> None:
    folder.write("long", b"x", seconds=60.0)
    for number in range(200):
        folder.write(f"{number}", b"x")
    assert {"long", "199"} <= names(folder)
    assert "0" not in names(folder)


def test_other_files_are_left_alone(folder: BoundedFolder) -> None:
    folder.write("a", b"x")
    mine = folder.folder / "model.safetensors"
    mine.write_bytes(bytes(100 * BLOCK))
    os.utime(mine, (0, 0))
    (folder.folder / f"folder{SUFFIX}").mkdir()
    for number in range(100):
        folder.write(f"{number}", b"x")
    assert mine.stat().st_size == 100 * BLOCK
    assert len(names(folder)) > 50


def test_partial_files_go_once_nobody_writes_them(folder: BoundedFolder) -> None:
    folder.write("a", b"x")
    old, new = (folder.folder / f"{name}.dagfusion.part" for name in ("old", "new"))
    for path in (old, new):
        path.write_bytes(b"x")
    os.utime(old, (time.time() - 3600,) * 2)
    for number in range(10):
        folder.write(f"{number}", b"x")
    assert new.exists()
    assert not old.exists()


def test_nothing_is_left_of_a_file_that_cannot_be_written(folder: BoundedFolder) -> None:
    folder.write("a", b"x")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(OSError, match="large"):
            folder.write("b", bytes(200_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in folder.folder.iterdir()] == [f"a{SUFFIX}"]


def test_a_folder_that_was_removed_is_made_again(folder: BoundedFolder) -> None:
    folder.write("a", b"x")
    (folder.folder / f"a{SUFFIX}").unlink()
    folder.folder.rmdir()
    assert folder.read("a") is None
    folder.write("b", b"y")
    assert folder.read("b") == b"y"
