"""Threads that go on whatever happens, and end when they are told to: rounds, heartbeats, the watch over jobs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from adapters.run.worker import periodic
from adapters.run.worker.heartbeat import Heartbeat
from adapters.run.worker.leased_jobs import LeasedJob, LeasedJobs
from adapters.run.worker.periodic import PeriodicThread
from adapters.run.worker.watch import Watch
from adapters.service.store import Store, outage
from adapters.service.store.records import JobState, Lease, NewJob
from benchmarks.service import until


class Counting(PeriodicThread):
    """Counts its rounds, and fails in the second."""

    def __init__(self, pause_s: float) -> None:
        super().__init__("counting", pause_s)
        self.count = 0

    def _round(self) -> None:
        self.count += 1
        if self.count == 2:
            raise ValueError("the second round")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(f"sqlite:///{tmp_path / 'queue.sqlite'}")
    yield opened
    opened.close()


def test_a_round_that_fails_is_told_and_not_the_last(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(periodic, "_RETRY_S", 0.01)
    counting = Counting(0.001)
    counting.start()
    until(lambda: counting.count > 3, 30)
    counting.close()
    assert "the second round" in caplog.text and caplog.text.count("counting:") == 1
    assert "counting" not in {thread.name for thread in threading.enumerate()}


def test_the_pause_ends_when_there_is_need_to_hurry_or_to_end() -> None:
    counting = Counting(3600)
    counting.start()
    counting.hurry()
    until(lambda: counting.count == 1, 30)
    counting.close()
    assert counting.closed and counting.count == 1


def test_what_was_never_started_can_be_closed() -> None:
    counting = Counting(0)
    counting.close()
    assert counting.count == 0


def test_a_worker_that_could_not_say_once_how_it_is_says_so_later(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(periodic, "_RETRY_S", 0.01)
    answers: list[Any] = [{}, RuntimeError("the GPU does not say"), {"jobs": 3}]

    def info() -> dict[str, Any]:
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)

    heartbeat = Heartbeat(store, "one", 3600, info)
    heartbeat.start()
    heartbeat.change("ready")
    until(lambda: [(one.state, one.info) for one in store.workers.alive(60)] == [("ready", {"jobs": 3})], 30)
    heartbeat.close()
    assert store.workers.alive(60) == []


def test_a_wish_to_cancel_is_heard_though_the_database_was_away_when_it_came(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.jobs.submit(NewJob(prompt={}))
    claimed = store.leases.claim("one", 3600)
    assert claimed is not None
    leased_jobs, leased = LeasedJobs(), LeasedJob(*claimed)
    leased_jobs.take(leased)
    asked, away = store.leases.cancel_requested, [OperationalError("", {}, Exception("away"))]

    def cancel_requested(lease: Lease) -> bool:
        if leased.looked_at and away:
            raise away.pop()
        return asked(lease)

    monkeypatch.setattr(store.leases, "cancel_requested", cancel_requested)
    watch = Watch(store, leased_jobs, lease_s=3600, grace_s=60, stuck=lambda _: None)
    watch.start()
    until(lambda: leased.looked_at, 30)
    job = store.jobs.cancel(leased.job.id)
    assert job is not None and job.state is JobState.RUNNING
    until(lambda: leased.cancel.cancelled, 30)
    watch.close()
    assert away == []


def test_a_wish_to_cancel_is_heard_though_nothing_can_be_written(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(outage, "_told_at", {})
    store.jobs.submit(NewJob(prompt={}))
    claimed = store.leases.claim("one", 3600)
    assert claimed is not None
    leased_jobs, leased, tries = LeasedJobs(), LeasedJob(*claimed), 0
    leased_jobs.take(leased)

    def renew(lease: Lease, lease_s: float) -> bool:
        nonlocal tries
        tries += 1
        raise OperationalError("UPDATE", {}, Exception("database or disk is full"))

    monkeypatch.setattr(store.leases, "renew", renew)
    watch = Watch(store, leased_jobs, lease_s=0, grace_s=60, stuck=lambda _: None)  # to be renewed each time
    watch.start()
    until(lambda: tries > 2, 30)
    store.jobs.cancel(leased.job.id)
    until(lambda: leased.cancel.cancelled, 30)
    watch.close()
    assert caplog.messages == [f"the lease of job {leased.job.id} is not renewed: database or disk is full"]


def test_a_round_that_hangs_keeps_nobody_from_ending(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(periodic, "_LAST_ROUND_S", 0.01)
    asked, answer = threading.Event(), threading.Event()
    removed: list[str] = []
    monkeypatch.setattr(store.workers, "remove", removed.append)

    def hang(*_: object) -> bool:
        asked.set()
        answer.wait(60)
        raise OperationalError("beat", {}, Exception("away"))

    monkeypatch.setattr(store.workers, "beat", hang)
    heartbeat = Heartbeat(store, "w", 60, dict)
    heartbeat.start()
    heartbeat.change("ready")
    assert asked.wait(60)
    heartbeat.close()
    assert not heartbeat.ended and removed == []
    answer.set()
    until(lambda: heartbeat.ended, 60)
    heartbeat.close()
    assert removed == []  # nor is a database asked that did not answer just now
