"""Jobs of the queue run far away: all that happens there is recorded here once, and a lost machine loses no job."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
from sqlalchemy import update

from adapters.run.direct.messages import FailedEnd, Stopped
from adapters.run.relay.far import Alive, FarMessage, Unable
from adapters.service.store import Store
from adapters.service.store.records import InputFile, Job, JobState, Lease, NewJob
from adapters.service.store.tables import jobs
from engine.context import CancelToken
from tests.adapters.run.relay.conftest import PATIENT, OpenRelay
from tests.adapters.run.relay.far_sides import (
    Attempts,
    Ignores,
    completed,
    dies,
    ends_early,
    heeds,
    stalls,
    streams,
)
from tests.adapters.services import until


def submit(store: Store, **more: Any) -> str:
    return store.jobs.submit(NewJob(**({"prompt": {"1": {"class_type": "X", "inputs": {}}}} | more)))[0].id


def now(store: Store, job_id: str) -> Job:
    job = store.jobs.get(job_id)
    assert job is not None
    return job


def ended(store: Store, job_id: str) -> Job:
    return until(lambda: job if (job := now(store, job_id)).state.ended else None)  # type: ignore[return-value]


@dataclass
class FirstAttempt:
    """Patience that is ``short`` with the job's first attempt alone: later ones get through on a busy machine too."""

    store: Store
    job_id: str
    short: Mapping[str, float]

    def __getattr__(self, name: str) -> float:
        usual: float = getattr(PATIENT, name)
        return self.short.get(name, usual) if now(self.store, self.job_id).attempts == 1 else usual


def kinds(store: Store, job_id: str) -> list[str]:
    events = store.events.of_job(job_id)
    assert [event.number for event in events] == list(range(1, len(events) + 1))
    return [event.kind for event in events]


def test_what_happens_far_away_is_recorded_here(store: Store, relay: OpenRelay) -> None:
    seen: list[bytes] = []

    def run(document: Mapping[str, Any], cancel: CancelToken) -> Iterator[FarMessage]:
        for message in streams(document, cancel):
            yield message
            if isinstance(message, Alive):
                continue
            until(lambda: "node_started" in kinds(store, document["id"]))
            if (preview := store.previews.get(document["id"])) is not None:
                seen.append(preview.picture)

    job_id = submit(store)
    relay(run)
    job = ended(store, job_id)
    assert (job.state, job.attempts, job.progress and job.progress["fraction"]) == (JobState.COMPLETED, 1, 1.0)
    assert kinds(store, job_id) == ["queued", "started", "node_started", "node_finished", "completed"]
    assert [(output.name, output.data) for output in store.jobs.outputs(job_id)] == [("1_text_0", "made")]
    assert store.events.of_job(job_id)[-1].data["seconds"] == 1.5
    assert set(seen) <= {b"early", b"late"} and store.previews.get(job_id) is None


def test_the_document_has_all_that_the_job_is(store: Store, relay: OpenRelay) -> None:
    digest = "ab" * 32
    file = InputFile("in.png", digest, f".uploads/{digest}.png", "image/png", 3)
    far = Attempts(streams)
    job_id = submit(
        store, targets=("1",), files=(file,), extra_pnginfo={"a": 1}, options={"previews": False}, time_limit_s=7
    )
    relay(far)
    ended(store, job_id)
    (document,) = far.documents
    assert (document["id"], document["targets"], document["time_limit_s"]) == (job_id, ["1"], 7)
    assert (document["files"][0]["digest"], document["options"]) == (digest, {"previews": False})


@pytest.mark.parametrize(
    ("lost", "says"), [(dies, "preempted"), (ends_early, "gone"), (stalls, "not heard of for 0.2 s")]
)
def test_a_job_whose_machine_is_lost_runs_again(store: Store, relay: OpenRelay, lost: Any, says: str) -> None:
    job_id = submit(store)
    short = {"silence_s": 0.2} if lost is stalls else {}
    relay(Attempts(lost, streams), patience=FirstAttempt(store, job_id, short))
    job = ended(store, job_id)
    assert (job.state, job.attempts) == (JobState.COMPLETED, 2)
    (requeued,) = [event for event in store.events.of_job(job_id) if event.kind == "requeued"]
    assert requeued.data["reason"]["type"] == "WorkerLost" and says in requeued.data["reason"]["message"]


def test_a_job_that_is_lost_each_time_fails_after_its_attempts(store: Store, relay: OpenRelay) -> None:
    job_id = submit(store, max_attempts=2)
    relay(dies)
    job = ended(store, job_id)
    assert (job.state, job.attempts) == (JobState.FAILED, 2)
    assert job.error is not None and job.error["type"] == "WorkerLost" and "preempted" in job.error["message"]


def test_a_machine_that_does_not_start_gives_the_job_back(store: Store, relay: OpenRelay) -> None:
    def never(_document: Mapping[str, Any], cancel: CancelToken) -> Iterator[FarMessage]:
        until(lambda: cancel.cancelled)
        yield Stopped()

    job_id = submit(store)
    short = {"start_s": 0.2, "silence_s": 0.01}
    relay(Attempts(never, streams), patience=FirstAttempt(store, job_id, short))
    assert ended(store, job_id).state is JobState.COMPLETED
    assert "requeued" in kinds(store, job_id)


def test_a_far_side_that_has_to_go_or_is_sick_gives_the_job_back(store: Store, relay: OpenRelay) -> None:
    def goes(_document: Mapping[str, Any], _cancel: CancelToken) -> Iterator[FarMessage]:
        yield Stopped()

    def sick(_document: Mapping[str, Any], _cancel: CancelToken) -> Iterator[FarMessage]:
        yield FailedEnd({"type": "WorkerLost", "message": "the device fails", "remedy": ""})

    def unable(_document: Mapping[str, Any], _cancel: CancelToken) -> Iterator[FarMessage]:
        yield Unable({"type": "GpuMissing", "message": "torch finds none", "remedy": ""})

    job_id = submit(store, max_attempts=4)
    relay(Attempts(goes, sick, unable, streams))
    assert (ended(store, job_id).state, kinds(store, job_id).count("requeued")) == (JobState.COMPLETED, 3)


def test_a_failure_of_the_job_is_final(store: Store, relay: OpenRelay) -> None:
    error = {"type": "NodeFailed", "message": "node 1 (X): no", "remedy": "", "node_id": "1"}

    def fails(_document: Mapping[str, Any], _cancel: CancelToken) -> Iterator[FarMessage]:
        yield FailedEnd(error)

    job_id = submit(store)
    relay(fails)
    job = ended(store, job_id)
    assert (job.state, job.error, job.attempts) == (JobState.FAILED, error, 1)


def test_cancelling_reaches_the_far_side(store: Store, relay: OpenRelay) -> None:
    job_id = submit(store)
    relay(heeds)
    until(lambda: "node_started" in kinds(store, job_id))
    store.jobs.cancel(job_id)
    assert ended(store, job_id).state is JobState.CANCELLED
    assert kinds(store, job_id)[-3:] == ["cancel_requested", "node_progress", "cancelled"]


@pytest.mark.parametrize("far", [Ignores(), stalls], ids=["talks on", "says nothing"])
def test_a_far_side_that_does_not_stop_is_left_to_itself(store: Store, relay: OpenRelay, far: Any) -> None:
    job_id, next_id = submit(store), submit(store)
    relay(Attempts(far, streams), slots=1, patience=replace(PATIENT, stop_s=0.2))
    until(lambda: "node_started" in kinds(store, job_id))
    store.jobs.cancel(job_id)
    assert ended(store, job_id).state is JobState.CANCELLED
    assert ended(store, next_id).state is JobState.COMPLETED
    if isinstance(far, Ignores):
        far.let_end.set()
        assert far.ended.wait(60)
    assert kinds(store, job_id)[-1] == "cancelled" and store.jobs.outputs(job_id) == []


def test_a_job_out_of_time_is_stopped_and_fails(store: Store, relay: OpenRelay) -> None:
    job_id = submit(store, time_limit_s=0.2)
    relay(heeds, patience=replace(PATIENT, stop_s=0.1))
    job = ended(store, job_id)
    assert (job.state, job.error and job.error["type"]) == (JobState.FAILED, "TimeLimit")


def test_what_a_job_makes_after_it_was_taken_away_has_no_effect(store: Store, relay: OpenRelay) -> None:
    job_id = submit(store)
    far = Ignores()
    relay(far)
    until(lambda: "node_started" in kinds(store, job_id))
    with store.database.write() as connection:  # as if its lease had run out, and another worker had been first
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(lease_owner="other", attempts=2))
    until(lambda: far.cancel is not None and far.cancel.cancelled)
    far.let_end.set()
    assert far.ended.wait(60)
    assert (now(store, job_id).state, store.jobs.outputs(job_id)) == (JobState.RUNNING, [])
    store.leases.complete(Lease(job_id, "other", 2), completed("the other's").outputs)
    assert [output.data for output in store.jobs.outputs(job_id)] == ["the other's"]


def test_no_more_jobs_are_sent_than_there_are_slots(store: Store, relay: OpenRelay) -> None:
    lock, here, most = threading.Lock(), 0, 0
    both = threading.Barrier(2, timeout=60)

    def run(_document: Mapping[str, Any], _cancel: CancelToken) -> Iterator[FarMessage]:
        nonlocal here, most
        with lock:
            here += 1
            most = max(most, here)
        both.wait()  # so two are there at a time
        yield Alive()
        with lock:
            here -= 1
        yield completed()

    ids = [submit(store) for _ in range(6)]
    relay(run, slots=2)
    assert {ended(store, job_id).state for job_id in ids} == {JobState.COMPLETED}
    assert most == 2


def test_a_relay_that_closes_gives_its_jobs_back(store: Store, relay: OpenRelay) -> None:
    job_id, tokens = submit(store), []

    def run(document: Mapping[str, Any], cancel: CancelToken) -> Iterator[FarMessage]:
        tokens.append(cancel)
        return heeds(document, cancel)

    opened = relay(run, about={"device": "far"})
    until(lambda: "node_started" in kinds(store, job_id))
    worker = until(lambda: next((one for one in store.workers.alive(60) if job_id in one.info["jobs"]), None))
    assert (worker.id, worker.state, worker.info["device"]) == ("relay", "ready", "far")  # type: ignore[union-attr]
    opened.close()
    assert (now(store, job_id).state, tokens[0].cancelled) == (JobState.QUEUED, True)
    assert store.events.of_job(job_id)[-1].data["reason"]["type"] == "WorkerStopped"
    assert store.workers.alive(60) == []


def test_a_relay_goes_on_whatever_its_upkeep_raises(store: Store, relay: OpenRelay) -> None:
    raised: list[int] = []

    def tick() -> None:
        if not raised:
            raised.append(1)
            raise ValueError("something nobody thought of")

    job_id = submit(store)
    relay(streams, tick=tick)
    assert (ended(store, job_id).state, raised) == (JobState.COMPLETED, [1])


def test_a_relay_that_closes_may_wait_for_its_jobs(store: Store, relay: OpenRelay) -> None:
    job_id, far = submit(store), Ignores()
    opened = relay(far)
    until(lambda: "node_started" in kinds(store, job_id))
    threading.Timer(0.3, far.let_end.set).start()
    opened.close(drain_s=60)
    assert now(store, job_id).state is JobState.COMPLETED
