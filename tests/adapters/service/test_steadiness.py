"""Leases that ran out while nobody could renew them are given one more."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from adapters.host.settings import read_settings
from adapters.service.maintenance import Maintenance
from adapters.service.steadiness import Steadiness
from adapters.service.store import Store, sqlite
from adapters.service.store.records import JobState, NewJob

LEASE_S = 15.0


class Clock:
    """Monotonic time that a test puts forward."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(time, "monotonic", made)
    return made


def looks(steadiness: Steadiness, clock: Clock, seconds: float, jump_s: float = 0.0) -> list[bool]:
    """What is said at a look every 5 s, for so long; ``jump_s``: by how much the database's clock is ahead."""
    said = []
    for _ in range(int(seconds / 5)):
        clock.now += 5
        said.append(steadiness.disturbed(clock.now, clock.now + jump_s))
    return said


def test_a_database_that_answers_disturbs_nothing(clock: Clock) -> None:
    assert not any(looks(Steadiness(LEASE_S), clock, 120))


def test_after_a_time_without_the_database_leases_stand_for_one_more(clock: Clock) -> None:
    steadiness = Steadiness(LEASE_S)
    looks(steadiness, clock, 10)
    clock.now += 70
    steadiness.failed()
    assert looks(steadiness, clock, 25) == [True, True, True, False, False]


@pytest.mark.parametrize("jump_s", [30.0, -3600.0])
def test_after_a_jump_of_the_servers_clock_leases_stand_for_one_more(clock: Clock, jump_s: float) -> None:
    steadiness = Steadiness(LEASE_S)
    looks(steadiness, clock, 10)
    assert looks(steadiness, clock, 25, jump_s) == [True, True, True, False, False]


def test_small_corrections_of_a_clock_disturb_nothing(clock: Clock) -> None:
    steadiness = Steadiness(LEASE_S)
    assert not any(any(looks(steadiness, clock, 20, jump_s)) for jump_s in (0.0, 0.5, -0.4, 4.0))


def test_a_machine_that_slept_and_a_database_that_was_locked_disturb(clock: Clock) -> None:
    steadiness = Steadiness(LEASE_S)
    looks(steadiness, clock, 10)
    clock.now += 60
    assert looks(steadiness, clock, 20) == [True, True, True, False]
    began_at, clock.now = clock.now, clock.now + 8
    assert steadiness.disturbed(began_at, clock.now)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setattr(sqlite, "_BUSY_TIMEOUT_MS", 50)
    opened = Store(f"sqlite:///{tmp_path / 'queue.sqlite'}")
    yield opened
    opened.close()


def test_a_job_is_not_taken_back_for_a_lock_that_kept_its_worker_from_renewing(store: Store, tmp_path: Path) -> None:
    maintenance = Maintenance(store, read_settings({"lease_s": 30.0, "data": tmp_path}))
    job_id = store.jobs.submit(NewJob(prompt={}))[0].id
    claimed = store.leases.claim("w", 0.01)
    assert claimed is not None
    with closing(sqlite3.connect(tmp_path / "queue.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        maintenance.tick()  # in vain
        other.execute("ROLLBACK")
    maintenance.tick()
    job = store.jobs.get(job_id)
    assert job is not None
    assert job.state is JobState.RUNNING
    assert store.leases.renew(claimed[1], 60) is False
    assert store.leases.take_back(None, {}) == []
