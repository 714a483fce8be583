"""The next job's model files are read while another one runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from adapters.run.worker import read_ahead
from adapters.run.worker.read_ahead import ReadAhead, read_through
from adapters.service.store import Store
from adapters.service.store.records import NewJob
from benchmarks.service import until
from engine.folders import Folders
from nodes import builtin_registry

REGISTRY = builtin_registry()


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    for kind in ("checkpoints", "loras"):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "one.safetensors").write_bytes(bytes(9_000_000))
    return Folders({kind: [tmp_path / kind] for kind in ("checkpoints", "loras")}, input=tmp_path)


def prompt(checkpoint: str = "one.safetensors") -> dict[str, Any]:
    return {
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": checkpoint}},
        "2": {"class_type": "LoraLoaderModelOnly", "inputs": {"model": ["1", 0], "lora_name": "one.safetensors"}},
        "3": {"class_type": "LoadImage", "inputs": {"image": "one.png"}},
        "4": {"class_type": "Unknown", "inputs": {"ckpt_name": "one.safetensors"}},
        "5": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": ["1", 0]}},
    }


def test_a_file_is_read_to_its_end_unless_told_to_stop(folders: Folders, tmp_path: Path) -> None:
    path = tmp_path / "loras" / "one.safetensors"
    assert read_through(path, lambda: False)
    assert not read_through(tmp_path / "missing", lambda: False)
    assert not read_through(path, lambda: True)


def test_a_file_too_large_for_the_page_cache_is_left_alone(
    folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Memory", (), {"available": 1_000_000}))
    assert not read_through(tmp_path / "loras" / "one.safetensors", lambda: False)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were read."""
    noted: list[Path] = []

    def note(path: Path, stopped: Callable[[], bool]) -> bool:
        noted.append(path)
        return True

    monkeypatch.setattr(read_ahead, "read_through", note)
    return noted


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(f"sqlite:///{tmp_path / 'queue.sqlite'}")
    yield opened
    opened.close()


def test_the_next_jobs_files_are_read_once(store: Store, folders: Folders, tmp_path: Path, read: list[Path]) -> None:
    ahead = ReadAhead(store, REGISTRY, folders)
    ahead.start()
    store.jobs.submit(NewJob(prompt=prompt()))
    until(lambda: len(read) == 2)
    (tmp_path / "loras" / "two.safetensors").write_bytes(b"")
    more = prompt() | {"6": {"class_type": "LoraLoaderModelOnly", "inputs": {"lora_name": "two.safetensors"}}}
    store.jobs.submit(NewJob(prompt=more, priority=1))
    until(lambda: len(read) == 3)
    assert [path.name for path in read] == ["one.safetensors"] * 2 + ["two.safetensors"]
    ahead.close()


def test_files_of_a_job_that_names_many_are_not_read_again(
    store: Store, folders: Folders, tmp_path: Path, read: list[Path]
) -> None:
    names = [f"{number}.safetensors" for number in range(12)]
    for name in names:
        (tmp_path / "loras" / name).write_bytes(b"")
    nodes = {name: {"class_type": "LoraLoaderModelOnly", "inputs": {"lora_name": name}} for name in names}
    ahead = ReadAhead(store, REGISTRY, folders)
    store.jobs.submit(NewJob(prompt=nodes))
    for _ in range(3):
        ahead._round()
    assert [path.name for path in read] == names
    store.jobs.submit(NewJob(prompt=prompt(), priority=1))
    ahead._round()
    assert [path.name for path in read[12:]] == ["one.safetensors"] * 2
    assert len(ahead._read) == 8  # the others are forgotten: they may have left the page cache
