"""A file's fingerprint follows its contents and nothing else, and is taken again only when they may have changed."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from engine import fingerprint
from engine.fingerprint import CHUNK_BYTES, FileFingerprints, file_fingerprint, hash_file


def settled(path: Path, content: bytes) -> Path:
    """A file that was written to a while ago, so that its times tell of later changes."""
    path.write_bytes(content)
    time.sleep(0.06)
    return path


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every file that is really read."""
    read: list[Path] = []

    def spy(path: Path) -> str:
        read.append(Path(path))
        return hash_file(path)

    monkeypatch.setattr(fingerprint, "hash_file", spy)
    return read


def test_same_bytes_have_the_same_fingerprint_under_any_name(tmp_path: Path) -> None:
    a, b, c = tmp_path / "a", tmp_path / "b", tmp_path / "c"
    a.write_bytes(b"weights")
    b.write_bytes(b"weights")
    c.write_bytes(b"weighty")
    assert file_fingerprint(a) == file_fingerprint(b) != file_fingerprint(c)
    assert len(file_fingerprint(a)) == 32
    int(file_fingerprint(a), 16)


def test_empty_file_has_a_fingerprint(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    (tmp_path / "b").write_bytes(b"\0")
    assert file_fingerprint(tmp_path / "a") != file_fingerprint(tmp_path / "b")


def test_missing_file_raises(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        file_fingerprint(tmp_path / "none")


def test_every_chunk_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprint, "CHUNK_BYTES", 16)
    assert CHUNK_BYTES > 16
    content = bytearray(range(100))
    path = tmp_path / "f"
    seen = set()
    for place in (None, 0, 15, 16, 47, 99):
        changed = bytearray(content)
        if place is not None:
            changed[place] ^= 1
        path.write_bytes(changed)
        seen.add(hash_file(path))
    path.write_bytes(content[16:32] + content[:16] + content[32:])
    seen.add(hash_file(path))
    assert len(seen) == 7


def test_unchanged_file_is_read_once(tmp_path: Path, hashed: list[Path]) -> None:
    files, path = FileFingerprints(), settled(tmp_path / "f", b"x")
    assert files.of(path) == files.of(path) == files.of(path)
    assert hashed == [path]


def test_touching_is_no_change_and_replacing_is(tmp_path: Path) -> None:
    files, path = FileFingerprints(), settled(tmp_path / "f", b"old!")
    before = files.of(path)
    os.utime(path, (1, 1))
    assert files.of(path) == before
    other = settled(tmp_path / "g", b"new!")
    os.utime(other, (1, 1))
    os.replace(other, path)
    assert files.of(path) != before


def test_rewriting_in_place_with_size_and_time_restored_is_noticed(tmp_path: Path) -> None:
    files, path = FileFingerprints(), settled(tmp_path / "f", b"old!")
    before, times = files.of(path), path.stat()
    path.write_bytes(b"new!")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert files.of(path) != before


def test_a_file_just_written_is_not_trusted_to_stay(
    tmp_path: Path, hashed: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    files, path = FileFingerprints(), tmp_path / "f"
    path.write_bytes(b"x")
    just_after_ns = path.stat().st_mtime_ns + 10_000_000
    monkeypatch.setattr(fingerprint, "time", SimpleNamespace(time_ns=lambda: just_after_ns))
    files.of(path)
    files.of(path)
    assert len(hashed) == 2


def test_store_is_shared_between_processes(tmp_path: Path, hashed: list[Path]) -> None:
    store, path = tmp_path / "deep" / "store.json", settled(tmp_path / "f", b"x")
    first = FileFingerprints(store).of(path)
    assert FileFingerprints(store).of(path) == first
    assert hashed == [path]
    assert list(json.loads(store.read_text())) == [str(path)]
    assert [p.name for p in store.parent.iterdir()] == ["store.json"]


@pytest.mark.parametrize("content", ["", "[]", "{", '{"a": 1}', '{"a": [1, 2]}', '{"a": [1, "x", 3, 4, "y"]}'])
def test_broken_store_is_ignored(tmp_path: Path, content: str) -> None:
    store, path = tmp_path / "store.json", settled(tmp_path / "f", b"x")
    store.write_text(content)
    assert FileFingerprints(store).of(path) == hash_file(path)
    assert json.loads(store.read_text())


def test_store_that_cannot_be_written_costs_only_time(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = settled(tmp_path / "f", b"x")
    assert FileFingerprints(tmp_path / "file" / "store.json").of(path) == hash_file(path)


def test_store_keeps_a_bounded_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprint, "MAX_REMEMBERED", 3)
    store = tmp_path / "store.json"
    paths = [tmp_path / f"f{i}" for i in range(5)]
    for path in paths:
        path.touch()
    time.sleep(0.06)
    files = FileFingerprints(store)
    for path in paths:
        files.of(path)
    assert list(json.loads(store.read_text())) == [str(path) for path in paths[2:]]


def test_a_file_in_use_stays_remembered_however_many_others_come(
    tmp_path: Path, hashed: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fingerprint, "MAX_REMEMBERED", 2)
    model, *pictures = (tmp_path / name for name in "mabcd")
    for path in (model, *pictures):
        path.touch()
    time.sleep(0.06)
    store = tmp_path / "store.json"
    files = FileFingerprints(store)
    for path in pictures:
        files.of(model)
        files.of(path)
    FileFingerprints(store).of(model)
    assert hashed == [model, *pictures]
    files.of(pictures[0])
    assert hashed[-1] == pictures[0]  # The memory is bounded too.
    assert len(hashed) == 6
