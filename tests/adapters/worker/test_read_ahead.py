"""The next job's model files are read while another one runs."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import psutil
import pytest

from adapters.store import Store
from adapters.store.records import NewJob
from adapters.worker import read_ahead
from adapters.worker.read_ahead import ReadAhead, read_through
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
    path, stopped = tmp_path / "loras" / "one.safetensors", threading.Event()
    assert read_through(path, stopped)
    assert not read_through(tmp_path / "missing", stopped)
    stopped.set()
    assert not read_through(path, stopped)


def test_a_file_too_large_for_the_page_cache_is_left_alone(
    folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Memory", (), {"available": 1_000_000}))
    assert not read_through(tmp_path / "loras" / "one.safetensors", threading.Event())


def test_the_next_jobs_files_are_read_once(folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []

    def note(path: Path, stopped: threading.Event) -> bool:
        read.append(path)
        return True

    monkeypatch.setattr(read_ahead, "read_through", note)
    store = Store(f"sqlite:///{tmp_path / 'queue.sqlite'}")
    ahead = ReadAhead(store, REGISTRY, folders)
    ahead.start()
    store.jobs.submit(NewJob(prompt=prompt()))
    until(lambda: len(read) == 2, 10)
    (tmp_path / "loras" / "two.safetensors").write_bytes(b"")
    more = prompt() | {"6": {"class_type": "LoraLoaderModelOnly", "inputs": {"lora_name": "two.safetensors"}}}
    store.jobs.submit(NewJob(prompt=more, priority=1))
    until(lambda: len(read) == 3, 10)
    assert [path.name for path in read] == ["one.safetensors"] * 2 + ["two.safetensors"]
    ahead.close()
    store.close()
