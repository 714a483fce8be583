"""Workers and their rights: one runs a job at a time, one ends it, and a dead one loses it."""

from __future__ import annotations

import threading
import time

import pytest

from adapters.service.store import Store
from adapters.service.store.errors import LeaseLost
from adapters.service.store.records import JobState, Lease, NewEvent, NewJob, Output, Webhook

WORKER_DIED = {"type": "WorkerLost", "message": "the worker died"}


def submit(store: Store, **more: object) -> str:
    return store.jobs.submit(NewJob(prompt={}, **more))[0].id  # type: ignore[arg-type]


def claim(store: Store, owner: str = "w", lease_s: float = 60) -> Lease:
    claimed = store.leases.claim(owner, lease_s)
    assert claimed is not None
    return claimed[1]


def state(store: Store, job_id: str) -> JobState:
    job = store.jobs.get(job_id)
    assert job is not None
    return job.state


def kinds(store: Store, job_id: str) -> list[str]:
    events = store.events.of_job(job_id)
    assert [event.number for event in events] == list(range(1, len(events) + 1))
    return [event.kind for event in events]


def test_a_job_runs_and_is_completed(store: Store) -> None:
    job_id = submit(store)
    lease = claim(store)
    assert store.leases.claim("other", 60) is None
    store.leases.record(lease, [NewEvent("node_started", {"node_id": "1"})], {"done": 0, "total": 1})
    made = Output(name="1-text-0", node_id="1", class_type="X", kind="text", cached=False, data="hello")
    store.leases.complete(lease, [made])
    assert state(store, job_id) is JobState.COMPLETED
    assert store.jobs.outputs(job_id) == [made]
    assert kinds(store, job_id) == ["queued", "started", "node_started", "completed"]


def test_many_claimers_share_the_jobs_without_doubling_one(store: Store) -> None:
    ids = [submit(store) for _ in range(40)]
    taken: list[str] = []

    def work(owner: str) -> None:
        while (claimed := store.leases.claim(owner, 60)) is not None:
            taken.append(claimed[0].id)
            store.leases.complete(claimed[1], [])

    threads = [threading.Thread(target=work, args=(f"w{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == sorted(ids)
    positions = [event.position for event in store.events.of_all()]
    assert positions == list(range(1, 40 * 3 + 1))


def test_a_job_of_a_dead_worker_is_run_again_until_its_attempts_are_used_up(store: Store) -> None:
    job_id = submit(store, max_attempts=2)
    first = claim(store)
    assert store.leases.take_back("w", WORKER_DIED) == [job_id]
    with pytest.raises(LeaseLost):
        store.leases.complete(first, [])
    claim(store)
    store.leases.take_back("w", WORKER_DIED)
    job = store.jobs.get(job_id)
    assert job is not None
    assert (job.state, job.error) == (JobState.FAILED, WORKER_DIED)
    assert kinds(store, job_id) == ["queued", "started", "requeued", "started", "failed"]


def test_a_lease_that_ran_out_is_taken_back_and_one_that_is_renewed_is_not(store: Store) -> None:
    dying, living = submit(store), submit(store)
    claim(store, lease_s=0.01)
    lease = claim(store, lease_s=0.01)
    assert store.leases.renew(lease, 60) is False
    time.sleep(0.05)
    assert store.leases.take_back(None, WORKER_DIED) == [dying]
    assert state(store, living) is JobState.RUNNING


def test_the_same_worker_cannot_write_to_an_earlier_attempt(store: Store) -> None:
    submit(store)
    first = claim(store)
    store.leases.give_back(first, WORKER_DIED)
    claim(store)
    with pytest.raises(LeaseLost):
        store.leases.record(first, [NewEvent("node_started")])


def test_a_running_job_is_asked_to_stop(store: Store) -> None:
    job_id = submit(store)
    lease = claim(store)
    assert not store.leases.cancel_requested(lease)
    store.jobs.cancel(job_id)
    store.jobs.cancel(job_id)
    assert store.leases.cancel_requested(lease)
    assert store.leases.renew(lease, 60) is True
    store.leases.cancelled(lease)
    assert state(store, job_id) is JobState.CANCELLED
    assert kinds(store, job_id) == ["queued", "started", "cancel_requested", "cancelled"]


def test_a_job_that_was_to_stop_is_not_run_again_when_its_worker_dies(store: Store) -> None:
    job_id = submit(store)
    claim(store)
    store.jobs.cancel(job_id)
    store.leases.take_back("w", WORKER_DIED)
    assert state(store, job_id) is JobState.CANCELLED


def test_each_event_asked_for_makes_one_message_however_often_the_job_ran(store: Store) -> None:
    hook = Webhook("http://receiver.test/", "secret", ("completed", "progress"))
    job_id = submit(store, webhook=hook)
    lease = claim(store)
    store.leases.record(lease, [NewEvent("node_finished", {"node_id": "1"}), NewEvent("node_started", {})])
    store.leases.give_back(lease, WORKER_DIED)
    store.leases.complete(claim(store), [])
    messages = store.outbox.find(job_id)
    assert [message.event for message in messages] == ["completed", "progress"]
    assert len({message.id for message in messages}) == 2


def test_a_message_is_claimed_by_one_and_comes_up_again_until_it_is_delivered(store: Store) -> None:
    submit(store, webhook=Webhook("http://receiver.test/", "secret"))
    store.leases.complete(claim(store), [])
    (message,) = store.outbox.claim(10, lease_s=0.01)
    time.sleep(0.05)
    (again,) = store.outbox.claim(10, lease_s=60)
    assert again.id == message.id
    assert store.outbox.claim(10, lease_s=60) == []
    store.outbox.failed(message.id, "refused", retry_at=0.0)
    assert [one.attempts for one in store.outbox.claim(10, lease_s=60)] == [1]
    store.outbox.failed(message.id, "refused", retry_at=None, status=410)
    assert [one.state for one in store.outbox.find(state="dead")] == ["dead"]
    assert store.outbox.redeliver(message.id) is not None
    store.outbox.claim(10, lease_s=60)
    store.outbox.delivered(message.id, 204)
    delivered = store.outbox.get(message.id)
    assert delivered is not None
    assert (delivered.state, delivered.last_status) == ("delivered", 204)


def test_a_message_whose_sender_died_is_due_at_once(store: Store) -> None:
    submit(store, webhook=Webhook("http://receiver.test/", "secret"))
    store.leases.complete(claim(store), [])
    (message,) = store.outbox.claim(10, lease_s=600)
    store.outbox.reclaim()
    assert [one.id for one in store.outbox.claim(10, lease_s=600)] == [message.id]
    store.outbox.failed(message.id, "refused", retry_at=time.time() + 600)
    store.outbox.reclaim()
    assert store.outbox.claim(10, lease_s=600) == []  # it waits for its next attempt, not for the end of a lease


def test_the_node_that_took_its_worker_down_is_named_and_the_other_jobs_lose_no_attempt(store: Store) -> None:
    guilty, bystander = submit(store, max_attempts=2), submit(store, max_attempts=1)
    ran = {guilty: {"job": guilty, "node_id": "7", "class_type": "Crash"}}
    for _ in range(2):
        leases = [claim(store), claim(store)]
        assert set(store.leases.take_back("w", WORKER_DIED, ran=ran)) == {guilty, bystander}
        for lease in leases:
            with pytest.raises(LeaseLost):
                store.leases.complete(lease, [])
    job = store.jobs.get(guilty)
    assert job is not None and job.error is not None
    assert (job.state, job.attempts) == (JobState.FAILED, 2)
    assert (job.error["node_id"], job.error["class_type"], job.error["type"]) == ("7", "Crash", WORKER_DIED["type"])
    assert job.error["message"].startswith("node 7 (Crash) ran while ")
    store.leases.complete(claim(store), [])
    other = store.jobs.get(bystander)
    assert other is not None and (other.state, other.attempts, other.max_attempts) == (JobState.COMPLETED, 3, 3)


def test_a_job_that_silenced_its_worker_is_not_tried_again(store: Store) -> None:
    guilty, bystander = submit(store, max_attempts=3), submit(store, max_attempts=1)
    claim(store)
    claim(store)
    ran = {guilty: {"job": guilty, "node_id": "7", "class_type": "Regex"}}
    store.leases.take_back("w", WORKER_DIED, ran=ran, for_good=True)
    assert (state(store, guilty), state(store, bystander)) == (JobState.FAILED, JobState.QUEUED)


def test_a_worker_that_is_at_work_keeps_its_jobs_though_their_leases_ran_out(store: Store) -> None:
    job_id = submit(store)
    claim(store, lease_s=0.01)
    time.sleep(0.05)
    assert store.leases.take_back(None, WORKER_DIED, but=["w", "other"]) == []
    assert state(store, job_id) is JobState.RUNNING
    assert store.leases.take_back(None, WORKER_DIED, but=["other"]) == [job_id]


def test_a_job_that_is_given_back_at_a_shutdown_loses_no_attempt(store: Store) -> None:
    job_id = submit(store, max_attempts=1)
    for _ in range(3):
        store.leases.give_back(claim(store), WORKER_DIED, spared=True)
    assert state(store, job_id) is JobState.QUEUED
