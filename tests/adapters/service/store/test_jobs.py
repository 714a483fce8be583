"""Submitting, ordering, cancelling and forgetting jobs."""

from __future__ import annotations

import pytest

from adapters.service.store import Store
from adapters.service.store.errors import IdempotencyConflict, JobIdTaken, QueueFull
from adapters.service.store.records import InputFile, JobState, NewJob, Output

PROMPT = {"1": {"class_type": "EmptyImage", "inputs": {}}}


def submit(store: Store, **more: object) -> str:
    return store.jobs.submit(NewJob(prompt=PROMPT, **more))[0].id  # type: ignore[arg-type]


def order(store: Store) -> list[str]:
    return [job.id for job in store.jobs.queue()[1]]


def test_a_job_comes_back_as_it_was_submitted(store: Store) -> None:
    file = InputFile("in.png", "0" * 64, "uploads/0.png", "image/png", 7)
    new = NewJob(prompt=PROMPT, targets=("1",), priority=2, client_id="me", options={"inline": True}, files=(file,))
    job, created = store.jobs.submit(new)
    assert created
    assert store.jobs.get(job.id) == job
    assert (job.prompt, job.targets, job.options, job.state) == (PROMPT, ("1",), {"inline": True}, JobState.QUEUED)
    assert store.jobs.inputs(job.id) == [file]
    assert [event.kind for event in store.events.of_job(job.id)] == ["queued"]


def test_priority_goes_before_age_and_front_before_its_equals(store: Store) -> None:
    first, second = submit(store), submit(store)
    urgent = submit(store, priority=5)
    front = submit(store, front=True)
    last = submit(store, priority=-1)
    assert order(store) == [urgent, front, first, second, last]


def test_a_rank_places_a_job_among_its_equals(store: Store) -> None:
    first = submit(store, rank=10)
    second = submit(store, rank=0.5)
    assert order(store) == [second, first]


def test_a_waiting_job_has_a_place(store: Store) -> None:
    ids = [submit(store, **more) for more in ({}, {"priority": 3}, {"front": True}, {}, {"rank": 0.5})]
    running = store.leases.claim("worker", 60)
    assert running is not None and running[0].id == ids[1]
    waiting = order(store)
    jobs = [store.jobs.get(job_id) for job_id in waiting]
    assert [store.jobs.place(job) for job in jobs if job is not None] == [1, 2, 3, 4]


def test_an_idempotency_key_gives_the_same_job_again(store: Store) -> None:
    new = NewJob(prompt=PROMPT, idempotency_key="k", owner="a")
    job, created = store.jobs.submit(new)
    again, created_again = store.jobs.submit(new, queue_limit=1)
    assert created
    assert not created_again
    assert again.id == job.id
    other, created_other = store.jobs.submit(NewJob(prompt=PROMPT, idempotency_key="k", owner="b"))
    assert created_other
    assert other.id != job.id


def test_an_idempotency_key_is_not_for_two_requests(store: Store) -> None:
    submit(store, idempotency_key="k")
    with pytest.raises(IdempotencyConflict, match="'k' was used for another job"):
        store.jobs.submit(NewJob(prompt={}, idempotency_key="k"))


def test_a_chosen_id_is_taken_once(store: Store) -> None:
    assert submit(store, id="mine") == "mine"
    with pytest.raises(JobIdTaken, match="mine"):
        submit(store, id="mine")


def test_a_full_queue_refuses(store: Store) -> None:
    store.jobs.submit(NewJob(prompt=PROMPT), queue_limit=1)
    with pytest.raises(QueueFull) as refused:
        store.jobs.submit(NewJob(prompt=PROMPT), queue_limit=1)
    assert refused.value.retry_after_s > 0
    assert store.jobs.count(JobState.QUEUED) == 1


def test_cancelling_a_waiting_job_ends_that_one_only(store: Store) -> None:
    kept, gone = submit(store), submit(store)
    cancelled = store.jobs.cancel(gone)
    assert cancelled is not None
    assert cancelled.state is JobState.CANCELLED
    assert order(store) == [kept]
    assert [event.kind for event in store.events.of_job(gone)] == ["queued", "cancelled"]
    assert store.jobs.cancel("nobody") is None


def test_listing_filters_and_pages(store: Store) -> None:
    ids = [submit(store, owner="ab"[i % 2]) for i in range(5)]
    store.jobs.cancel(ids[0])
    assert [job.id for job in store.jobs.find(owner="a")] == [ids[4], ids[2], ids[0]]
    assert [job.id for job in store.jobs.find(states=[JobState.CANCELLED])] == [ids[0]]
    page = store.jobs.find(limit=2)
    assert [job.id for job in page] == [ids[4], ids[3]]
    assert [job.id for job in store.jobs.find(limit=2, before=page[-1].sequence)] == [ids[2], ids[1]]


def test_forgetting_deletes_ended_jobs_and_all_that_is_theirs(store: Store) -> None:
    job_id, waiting = submit(store), submit(store)
    claimed = store.leases.claim("w", 60)
    assert claimed is not None
    made = Output(name="a", node_id="1", class_type="X", kind="images", cached=False, digest="d" * 64)
    store.leases.complete(claimed[1], [made])
    assert store.leftovers.digests() == {"d" * 64}
    assert store.jobs.forget(ended_before=0) == 0
    assert store.jobs.forget(ended_before=4e9) == 1
    assert store.jobs.get(job_id) is None
    assert store.events.of_job(job_id) == []
    assert store.leftovers.digests() == set()
    assert order(store) == [waiting]


def test_a_job_can_be_cancelled_only_while_it_waits(store: Store) -> None:
    running, waiting = submit(store), submit(store)
    store.leases.claim("worker", 30)
    for job_id in (running, waiting):
        store.jobs.cancel(job_id, only=JobState.QUEUED)
    states = [job.state for job_id in (running, waiting) if (job := store.jobs.get(job_id))]
    assert states == [JobState.RUNNING, JobState.CANCELLED]
    assert not store.jobs.get(running).cancel_requested  # type: ignore[union-attr]


def test_unfinished_jobs_come_with_the_position_of_the_newest_event(store: Store) -> None:
    assert store.jobs.unfinished() == (0, {})
    running, waiting, gone = submit(store), submit(store), submit(store)
    store.leases.claim("worker", 30)
    store.jobs.cancel(gone)
    position = store.events.last_position()
    assert store.jobs.unfinished() == (position, {running: (JobState.RUNNING, ""), waiting: (JobState.QUEUED, "")})


def test_ended_jobs_come_in_the_order_of_their_ends(store: Store) -> None:
    ids = [submit(store, owner="a" if number < 4 else "b") for number in range(5)]
    leases = {claimed[0].id: claimed[1] for _ in ids if (claimed := store.leases.claim("worker", 30))}
    for job_id in ids[::-1]:
        store.leases.complete(leases[job_id], [])
    never_ran = submit(store)
    store.jobs.cancel(never_ran)
    ended = [job.id for job in store.jobs.ended()]
    assert ended == ids[::-1]
    assert [job.id for job in store.jobs.ended(newest=2)] == ended[-2:]
    assert [job.id for job in store.jobs.ended(offset=1, limit=2)] == ended[1:3]
    assert [job.id for job in store.jobs.ended(owner="b")] == [ids[4]]
    store.jobs.hide([ids[0], ids[4]], owner="a")
    assert [job.id for job in store.jobs.ended()] == [ids[4], *ids[3:0:-1]]
