"""What a run tells is written in order, in few transactions, and without holding the run up."""

from __future__ import annotations

import math
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import torch

from adapters.run.worker import recorder as recorder_module
from adapters.run.worker import store_sink
from adapters.run.worker.leased_jobs import LeasedJob, Stop
from adapters.run.worker.progress import ClassSeconds, JobProgress
from adapters.run.worker.recorder import Recorder
from adapters.run.worker.store_sink import StoreSink
from adapters.service.store import Store, sqlite
from adapters.service.store.records import Lease, NewEvent, NewJob
from engine.events import NodeFinished, NodePreview, NodeProgress, NodeStarted, RunStarted
from tests.adapters.services import until


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(f"sqlite:///{tmp_path / 'queue.sqlite'}")
    yield opened
    opened.close()


def held(store: Store) -> LeasedJob:
    store.jobs.submit(NewJob(prompt={"1": {"class_type": "Sampler", "inputs": {}}}))
    claimed = store.leases.claim("w", 60)
    assert claimed is not None
    return LeasedJob(*claimed)


def recorder_of(store: Store, leased: LeasedJob) -> Recorder:
    return Recorder(StoreSink(store, leased), JobProgress({"1": "Sampler"}, ClassSeconds()))


def written(store: Store, leased: LeasedJob) -> list[tuple[str, object]]:
    return [(event.kind, event.data.get("value")) for event in store.events.of_job(leased.job.id)]


STARTED = NodeStarted(node_id="1", class_type="Sampler", display_id="1")


def test_events_are_written_while_the_node_still_runs(store: Store) -> None:
    leased = held(store)
    with recorder_of(store, leased) as recorder:
        recorder(RunStarted(steps=("1",), cached=()))
        recorder(STARTED)
        until(lambda: ("node_started", None) in written(store, leased))
        recorder(NodeProgress(node_id="1", value=3, total=10))
        until(lambda: ("node_progress", 3) in written(store, leased))
        job = store.jobs.get(leased.job.id)
        assert job is not None
        assert job.progress is not None
        assert (job.progress["node_id"], job.progress["value"], job.progress["max"]) == ("1", 3, 10)


def test_quick_steps_become_one_event_and_cost_the_sampler_little(store: Store) -> None:
    leased = held(store)
    with recorder_of(store, leased) as recorder:
        recorder(STARTED)
        for value in range(1, 10_001):
            recorder(NodeProgress(node_id="1", value=value, total=10_000))
        recorder(NodeFinished(node_id="1", class_type="Sampler"))
    entries = written(store, leased) + [(one.kind, one.data.get("value")) for one in recorder.unwritten]
    steps = [value for kind, value in entries if kind == "node_progress"]
    assert steps[-1] == 10_000
    assert len(steps) < 1000
    assert steps == sorted(steps)  # type: ignore[type-var]
    assert entries[-1][0] == "node_finished"


def test_what_is_unwritten_at_the_end_comes_with_the_jobs_last_event(store: Store) -> None:
    leased = held(store)
    with recorder_of(store, leased) as recorder:
        recorder(STARTED)
        recorder(NodeFinished(node_id="1", class_type="Sampler"))
    store.leases.complete(leased.lease, [], first=recorder.unwritten)
    kinds = [kind for kind, _ in written(store, leased)]
    assert kinds == ["queued", "started", "node_started", "node_finished", "completed"]


def test_the_newest_preview_is_kept_as_a_small_picture(store: Store) -> None:
    leased = held(store)
    with recorder_of(store, leased) as recorder:
        for version, level in ((1, 10), (2, 200)):
            picture = torch.full((1024, 768, 3), level, dtype=torch.uint8)
            recorder(NodePreview(node_id="1", picture=picture))
            until(lambda v=version: (one := store.previews.get(leased.job.id)) is not None and one.version == v)  # type: ignore[misc]
    found = store.previews.get(leased.job.id)
    assert found is not None
    assert (found.node_id, found.media_type) == ("1", "image/jpeg")
    import io

    from PIL import Image

    with Image.open(io.BytesIO(found.picture)) as image:
        assert image.size == (384, 512)
        assert abs(image.getpixel((5, 5))[0] - 200) < 5  # type: ignore[index]


def test_previews_are_encoded_ten_times_a_second_at_most_however_many_there_are(store: Store) -> None:
    leased = held(store)
    picture = torch.zeros((8, 8, 3), dtype=torch.uint8)
    started_at = time.monotonic()
    with recorder_of(store, leased) as recorder:
        for _ in range(1000):
            recorder(NodePreview(node_id="1", picture=picture))
            time.sleep(0.0005)
        until(lambda: store.previews.get(leased.job.id) is not None)
        elapsed_s = time.monotonic() - started_at
    found = store.previews.get(leased.job.id)
    assert found is not None
    assert found.version <= elapsed_s / 0.1 + 2


def test_a_lost_lease_stops_the_run_and_nothing_more_is_written(store: Store) -> None:
    leased = held(store)
    with recorder_of(store, leased) as recorder:
        store.leases.take_back("w", {"type": "WorkerLost", "message": "gone"})
        recorder(STARTED)
        until(lambda: leased.cancel.cancelled)
    assert leased.why is Stop.LOST
    assert "node_started" not in dict(written(store, leased))
    assert leased.lease == Lease(leased.job.id, "w", 1)


class Broken:
    """A sink that raises as often as it is told to, then takes everything."""

    def __init__(self, times: float) -> None:
        self.left = times
        self.taken: list[NewEvent] = []

    def record(self, batch: Sequence[NewEvent], progress: Mapping[str, Any]) -> bool:
        self.left -= 1
        if self.left >= 0:
            raise RuntimeError("nobody thought of this")
        self.taken += batch
        return True

    def preview(self, node_id: str, media_type: str, picture: bytes) -> None:
        raise RuntimeError("nor of this")


def node_events(count: int) -> list[NodeStarted]:
    return [NodeStarted(node_id=str(number), class_type="Sampler", display_id=str(number)) for number in range(count)]


def test_what_a_sink_raised_at_is_offered_again_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_module, "_RETRY_S", 0.01)
    monkeypatch.setattr(recorder_module, "_MAX_UNWRITTEN", 50)
    sink = Broken(times=3)
    with Recorder(sink, JobProgress({}, ClassSeconds())) as recorder:
        recorder(NodePreview(node_id="1", picture=torch.zeros(8, 8, 3, dtype=torch.uint8)))
        for event in node_events(200):  # more than may be unwritten
            recorder(event)
    told = [entry.data["node_id"] for entry in (*sink.taken, *recorder.unwritten)]
    assert told == [str(number) for number in range(200)]


def test_a_run_that_waits_for_a_broken_sink_can_be_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_module, "_MAX_UNWRITTEN", 50)
    with Recorder(Broken(times=math.inf), JobProgress({}, ClassSeconds())) as recorder:
        told = threading.Thread(target=lambda: [recorder(event) for event in node_events(60)])
        told.start()
        until(lambda: len(recorder.unwritten) >= 50)
        recorder.cancel.cancel()
        told.join(60)
        assert not told.is_alive()
    assert len(recorder.unwritten) == 60


class Away(Broken):
    """A sink that says of its first calls that it could take nothing, as while the database is away."""

    def record(self, batch: Sequence[NewEvent], progress: Mapping[str, Any]) -> bool:
        self.left -= 1
        if self.left >= 0:
            return False
        self.taken += batch
        return True


def test_what_a_sink_could_not_take_is_offered_again_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_module, "_RETRY_S", 0.01)
    sink = Away(times=3)
    events = node_events(60)
    with Recorder(sink, JobProgress({}, ClassSeconds())) as recorder:
        for event in events[:20]:
            recorder(event)
        until(lambda: sink.left < 3)  # some of them were offered in vain
        for event in events[20:]:
            recorder(event)
        until(lambda: len(sink.taken) == 60)
    assert [entry.data["node_id"] for entry in sink.taken] == [str(number) for number in range(60)]
    assert recorder.unwritten == []


def test_what_happens_while_the_database_is_away_is_written_when_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_BUSY_TIMEOUT_MS", 20)
    monkeypatch.setattr(recorder_module, "_RETRY_S", 0.01)
    refused: list[str] = []
    monkeypatch.setattr(store_sink, "report_outage", lambda _log, _error, message, *_: refused.append(message))
    store = Store(f"sqlite:///{tmp_path / 'queue.sqlite'}")
    hand = held(store)
    with recorder_of(store, hand) as recorder:
        with closing(sqlite3.connect(tmp_path / "queue.sqlite", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            recorder(STARTED)
            until(lambda: refused)
            recorder(NodeProgress(node_id="1", value=3, total=10))
            other.execute("ROLLBACK")
        until(lambda: ("node_progress", 3) in written(store, hand))
        assert written(store, hand)[2:] == [("node_started", None), ("node_progress", 3)]
    store.close()
