"""A worker's heartbeat goes on, whatever its jobs do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from torch import nn

from adapters.run.worker.heartbeat import Heartbeat
from adapters.run.worker.info import worker_info
from adapters.run.worker.leased_jobs import LeasedJobs
from adapters.service.store import Store
from engine.engine import Engine
from engine.folders import Folders
from engine.model_store import ModelStore
from engine.weights import Weights
from tests.adapters.services import until

_FOREVER_S = 1e6


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(f"sqlite:///{tmp_path / 'queue.sqlite'}")
    yield opened
    opened.close()


@pytest.mark.parametrize("work", ["a load", "a build for shapes"])
def test_it_beats_while_a_network_is_read(store: Store, tmp_path: Path, work: str) -> None:
    folders = Folders({}, input=tmp_path, output=tmp_path, temp=tmp_path)
    engine = Engine({}, folders, ModelStore("cpu"))
    reading, go_on = threading.Event(), threading.Event()

    def build() -> nn.Module:
        reading.set()
        assert go_on.wait(60)
        return nn.Linear(2, 2)

    weights = Weights("slow", build, "slow")

    def load() -> None:
        if work == "a load":
            with engine.models.lease(weights):
                pass
        else:
            engine.models.shapes(weights)

    heartbeat = Heartbeat(store, "w", 0.01, lambda: worker_info(engine, LeasedJobs()))
    heartbeat.start()
    thread = threading.Thread(target=load, daemon=True)
    thread.start()
    try:
        assert reading.wait(60)
        for _ in range(3):  # one may have been under way; the others begin while the network is read
            last = _beat(store)
            until(lambda before=last: _beat(store) > before)  # type: ignore[misc]
    finally:
        go_on.set()
        thread.join()
        heartbeat.close()


def _beat(store: Store) -> float:
    (worker,) = store.workers.alive(_FOREVER_S)
    return worker.heartbeat_at
