"""The disk cache: what is worth keeping is there after a restart; whatever happens to the folder, runs go on."""

from __future__ import annotations

import logging
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from engine.disk_cache import DiskCache
from engine.disk_cache.folder import SUFFIX
from engine.entry import Entry
from engine.types import SavedFile

MIB = 2**20
Make = Callable[..., DiskCache]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[DiskCache] = []

    def make(budget_bytes: int = 64 * MIB, origin: str = "here") -> DiskCache:
        made.append(DiskCache(tmp_path / "cache", budget_bytes, (), lambda: origin))
        return made[-1]

    yield make
    for cache in made:
        cache.flush()


def entry_of(size_bytes: int, value: float = 1.0) -> Entry:
    return Entry(((torch.full((size_bytes // 4,), value),),))


def put(cache: DiskCache, key: str, entry: Entry, seconds: float = 10.0) -> bool:
    kept = cache.put(key, entry, seconds)
    cache.flush()
    return kept


def files(make: Make) -> list[Path]:
    return sorted((make()._folder.folder).glob(f"*{SUFFIX}"))


def test_outlives_the_process(make: Make) -> None:
    first = make()
    assert first.get("k") is None
    assert put(first, "k", entry_of(1000, 3.0))
    found = make().get("k")
    assert found is not None
    assert torch.equal(found.values[0][0], torch.full((250,), 3.0))
    assert (first.statistics().misses, first.statistics().writes, first.statistics().hits) == (1, 1, 0)


def test_another_origin_finds_nothing(make: Make) -> None:
    assert put(make(origin="float16"), "k", entry_of(1000))
    assert make(origin="float32").get("k") is None
    assert make(origin="float16").get("k") is not None


def test_what_is_read_no_faster_than_made_is_not_kept(make: Make) -> None:
    cache = make()
    assert not put(cache, "quick", entry_of(MIB), seconds=0.001)
    assert put(cache, "slow", entry_of(MIB), seconds=0.1)
    assert cache.get("quick") is None


def test_what_is_too_large_or_was_shown_is_not_kept(make: Make) -> None:
    cache = make()
    assert not put(cache, "large", entry_of(5 * MIB))
    assert not put(cache, "shown", Entry(shown={"images": (SavedFile("a.png", "", "output", "image/png"),)}))
    assert not put(cache, "blocked", Entry(blocked="no"))
    assert put(cache, "odd", Entry(((object(),),)))  # tried, in its thread
    assert files(make) == []
    assert not cache.statistics().off


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "other"])
def test_damaged_files_are_dropped_with_a_line_in_the_log(
    make: Make, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    put(make(), "k", entry_of(1000))
    (file,) = files(make)
    data = bytearray(file.read_bytes())
    data[-5] ^= 1
    file.write_bytes(
        {"flip": bytes(data), "cut": bytes(data[:-7]), "empty": b"", "other": b"not a tensor at all"}[damage]
    )
    cache = make()
    assert cache.get("k") is None
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "damaged" in caplog.text
    assert cache.statistics().damaged == 1
    assert files(make) == []
    put(cache, "k", entry_of(1000))
    assert cache.get("k") is not None


def test_a_full_disk_switches_it_off_with_one_line_in_the_log(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    cache = make()
    put(cache, "before", entry_of(1000))
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limit[1]))
    try:
        for key in "abc":
            put(cache, key, entry_of(MIB))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "off until the next start" in caplog.text
    assert cache.statistics().off
    assert not put(cache, "d", entry_of(1000))
    assert cache.get("before") is None
    assert [path.suffix for path in cache._folder.folder.iterdir()] == [".safetensors"]
    assert make().get("before") is not None


def test_a_folder_that_cannot_be_made_switches_it_off(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    cache = DiskCache(tmp_path / "file" / "cache", MIB, (), lambda: "")
    assert cache.get("k") is None
    put(cache, "k", entry_of(1000))
    assert cache.statistics().off
    assert len(caplog.records) == 1


def test_entries_that_wait_are_bounded(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = make(budget_bytes=2**30)
    monkeypatch.setattr("engine.disk_cache.cache._MAX_WAITING_BYTES", 3 * MIB)
    gate, real = threading.Event(), cache._folder.write

    def slowly(name: str, data: bytes, seconds: float) -> None:
        gate.wait(10)
        real(name, data, seconds)

    monkeypatch.setattr(cache._folder, "write", slowly)
    assert cache.put("a", entry_of(MIB), 10)
    assert not cache.put("a", entry_of(MIB), 10)
    assert cache.put("b", entry_of(MIB), 10)
    assert not cache.put("c", entry_of(MIB), 10)
    gate.set()
    cache.flush()
    assert cache.put("c", entry_of(MIB), 10)


OTHER = """
import sys, torch
from pathlib import Path
from engine.entry import Entry
from engine.disk_cache import DiskCache

cache = DiskCache(Path(sys.argv[1]), int(sys.argv[2]), (), lambda: "here")
print("ready", flush=True)
number = 0
while True:
    value = number % 40
    cache.put(str(value), Entry(((torch.full((50_000,), float(value)),),)), 10.0)
    cache.flush()
    number += int(sys.argv[3])
"""


def test_processes_share_it_and_may_be_killed_while_they_write(make: Make) -> None:
    """Two write the same keys over and over under a bound for half of them, one reads; then the writers are killed."""
    budget_bytes = 16 * 220_000
    mine = make(budget_bytes)
    folder = mine._folder.folder
    others = [
        subprocess.Popen(
            [sys.executable, "-c", OTHER, str(folder), str(budget_bytes), step], stdout=subprocess.PIPE, text=True
        )
        for step in ("1", "3")
    ]
    try:
        for other in others:
            assert other.stdout is not None
            assert other.stdout.readline() == "ready\n"
        hits, until = 0, time.monotonic() + 60
        while hits < 500 and time.monotonic() < until:
            for value in range(40):
                found = mine.get(str(value))
                if found is not None:
                    assert torch.equal(found.values[0][0], torch.full((50_000,), float(value)))
                    hits += 1
    finally:
        for other in others:
            other.send_signal(signal.SIGKILL)
            other.wait()
            assert other.stdout is not None
            other.stdout.close()
    assert hits >= 500
    used = sum(path.stat().st_size for path in folder.glob(f"*{SUFFIX}"))
    assert 0 < used <= budget_bytes * 17 / 16
    later = make(budget_bytes)
    there = [value for value in range(40) if later.get(str(value)) is not None]
    assert len(there) == len(files(make))
    assert mine.statistics().damaged == later.statistics().damaged == 0
    assert len(list(folder.glob("*.part"))) <= len(others)
