"""A clock that is put forward or back takes no job from a live worker, and hides no dead one."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from sqlalchemy import update

from adapters.service.store import Store
from adapters.service.store.records import Delivery, JobState, Lease, NewJob, Webhook
from adapters.service.store.tables import deliveries, jobs, workers

DIED = {"type": "WorkerLost", "message": "gone", "remedy": ""}
HOUR_S = 3600.0
SetClock = Callable[[float], None]


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> SetClock:
    """Puts the clock of this machine forward, or back, by so many seconds in all."""
    real = time.time
    return lambda by_s: monkeypatch.setattr(time, "time", lambda: real() + by_s)


def claim(store: Store, lease_s: float) -> Lease:
    store.jobs.submit(NewJob(prompt={}))
    claimed = store.leases.claim("w", lease_s)
    assert claimed is not None
    return claimed[1]


@pytest.mark.parametrize("by_s", [30.0, -HOUR_S, 1e6, -1e6])
def test_a_live_workers_lease_stands_however_the_clock_is_set(store: Store, set_clock: SetClock, by_s: float) -> None:
    lease = claim(store, lease_s=60)
    set_clock(by_s)
    assert store.leases.take_back(None, DIED) == []
    store.leases.renew(lease, 60)
    set_clock(0)
    assert store.leases.take_back(None, DIED) == []


def test_a_dead_workers_lease_runs_out_though_the_clock_is_put_back(store: Store, set_clock: SetClock) -> None:
    lease = claim(store, lease_s=0.01)
    set_clock(-HOUR_S)
    while not (taken := store.leases.take_back(None, DIED)):
        pass
    assert taken == [lease.job_id]


@pytest.mark.parametrize("length_s", [60.0, None])
def test_a_lease_of_another_clock_has_run_out(store: Store, length_s: float | None) -> None:
    """That of a server which was put back by hours, or of a machine's before it was started again."""
    lease = claim(store, lease_s=60)
    with store.database.write() as connection:
        values = {"lease_expires_at": jobs.c.lease_expires_at + 2 * HOUR_S, "lease_s": length_s}
        connection.execute(update(jobs).values(values))
    assert store.leases.take_back(None, DIED) == [lease.job_id]
    assert [job.state for job in store.jobs.find()] == [JobState.QUEUED]


@pytest.mark.parametrize("by_s", [HOUR_S, -HOUR_S])
def test_workers_are_alive_by_their_heartbeats_whatever_the_clock_says(
    store: Store, set_clock: SetClock, by_s: float
) -> None:
    store.workers.register("lives", "host", 1, {})
    store.workers.register("died", "host", 2, {})
    set_clock(by_s)
    with store.database.write() as connection:  # a heartbeat by another clock, which nobody beats again
        moved = workers.c.heartbeat_at + by_s
        connection.execute(update(workers).where(workers.c.id == "died").values(heartbeat_at=moved))
    assert [one.id for one in store.workers.alive(60)] == ["lives"]
    store.workers.forget(60)
    assert not store.workers.beat("died", "ready", {})
    assert store.workers.beat("lives", "ready", {})


def delivery(store: Store) -> Delivery:
    webhook = Webhook("https://hooks.example", "whsec_AAAA")
    store.jobs.submit(NewJob(prompt={}, webhook=webhook))
    claimed = store.leases.claim("w", 30)
    assert claimed is not None
    store.leases.complete(claimed[1], [])
    (claimed_delivery,) = store.outbox.claim(10, 30)
    return claimed_delivery


@pytest.mark.parametrize("how", ["failed", "postponed", "claimed"])
def test_a_message_waits_no_longer_because_the_clock_is_put_back(store: Store, how: str) -> None:
    message = delivery(store)
    if how == "failed":
        store.outbox.failed(message.id, "refused", retry_at=time.time() + 60)
    elif how == "postponed":
        store.outbox.postpone([message.id], time.time() + 60)
    assert store.outbox.claim(10, 30) == []
    with store.database.write() as connection:  # as it is once the clock was put back by an hour
        connection.execute(update(deliveries).values(next_at=deliveries.c.next_at + HOUR_S))
    assert [again.id for again in store.outbox.claim(10, 30)] == [message.id]
