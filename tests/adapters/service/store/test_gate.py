"""A database that hangs is tried by one at a time; the others hear at once that it does."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError, OperationalError

from adapters.service.store import Store, database, sqlite
from adapters.service.store.errors import AWAY, DatabaseSilent
from adapters.service.store.gate import Gate
from adapters.service.store.records import NewJob
from tests.adapters.services import until


def fail(gate: Gate, error: Exception, after_s: float = 0.0) -> None:
    def use() -> None:
        with gate.passing():
            time.sleep(after_s)
            raise error

    with pytest.raises(type(error)):
        use()


@contextmanager
def somebody_inside(gate: Gate) -> Iterator[threading.Event]:
    """Another thread, until the event is set."""
    inside, leave = threading.Event(), threading.Event()

    def use() -> None:
        with gate.passing():
            inside.set()
            assert leave.wait(60)

    thread = threading.Thread(target=use)
    thread.start()
    assert inside.wait(60)
    try:
        yield leave
    finally:
        leave.set()
        thread.join(60)


def test_others_hear_that_it_hangs_and_use_it_again_once_it_answers() -> None:
    gate = Gate(10, stall_s=0.02)
    with somebody_inside(gate) as leave:
        until(gate._stalled)
        for _ in range(3):
            with pytest.raises(DatabaseSilent), gate.passing():
                pass
        leave.set()
        until(lambda: not gate._inside)
    with somebody_inside(gate), gate.passing():
        pass


def test_who_waits_for_a_turn_waits_as_long_as_others_are_answered() -> None:
    gate = Gate(1, stall_s=60)
    done = []

    def use(number: int) -> None:
        with gate.passing():
            done.append(number)

    with somebody_inside(gate) as leave, ThreadPoolExecutor(8) as pool:
        waiting = pool.map(use, range(8))
        leave.set()
        list(waiting)
    assert sorted(done) == list(range(8))


def test_who_waits_for_a_turn_hears_that_it_hangs() -> None:
    gate = Gate(1, stall_s=0.05)
    with somebody_inside(gate), pytest.raises(DatabaseSilent), gate.passing():
        pass


def test_after_a_hang_one_at_a_time_tries_until_there_is_an_answer() -> None:
    gate = Gate(10, stall_s=0.02)
    fail(gate, OperationalError("SELECT", {}, Exception("no answer")), after_s=0.05)
    with somebody_inside(gate), pytest.raises(DatabaseSilent), gate.passing():
        pass
    with somebody_inside(gate), gate.passing():
        pass


@pytest.mark.parametrize(
    "error", [OperationalError("SELECT", {}, Exception("refused")), IntegrityError("INSERT", {}, Exception("twice"))]
)
def test_a_quick_no_is_an_answer(error: Exception) -> None:
    gate = Gate(10, stall_s=60)
    fail(gate, error)
    with somebody_inside(gate), gate.passing():
        pass


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setattr(sqlite, "_BUSY_TIMEOUT_MS", 300)
    monkeypatch.setattr(database, "_STALL_S", 0.1)
    opened = Store(f"sqlite:///{tmp_path / 'queue.sqlite'}")
    yield opened
    opened.close()


def test_under_a_lock_of_another_programs_writers_are_refused_and_readers_are_not(store: Store, tmp_path: Path) -> None:
    job = store.jobs.submit(NewJob(prompt={}))[0]
    store.workers.register("w", "host", 1, {})

    def submit(_number: int) -> str:
        try:
            return store.jobs.submit(NewJob(prompt={}))[0].id
        except AWAY:
            return ""

    with (
        closing(sqlite3.connect(tmp_path / "queue.sqlite", isolation_level=None)) as other,
        ThreadPoolExecutor(20) as many,
    ):
        other.execute("BEGIN IMMEDIATE")
        assert not any(many.map(submit, range(40)))  # in turn they would have waited 12 s
        assert store.jobs.get(job.id) == job
        assert [one.id for one in store.workers.alive(60)] == ["w"]  # what /ready asks
        other.execute("ROLLBACK")
    assert submit(0)
