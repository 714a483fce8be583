"""Jobs that come while others run, and join them where they fit: with a real worker."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from adapters.run.worker.joining import Joining
from adapters.service.store import Store
from adapters.service.store.queue import anything
from adapters.service.store.records import JobState, NewJob
from tests.adapters.run.worker.conftest import TROUBLE
from tests.adapters.run.worker.test_jobs import one, until_running
from tests.adapters.services import Service, running, until

TOGETHER = 3


@pytest.fixture(scope="module")
def joining(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A worker that may compute three jobs' steps at once, and has one job in hand otherwise."""
    settings = TROUBLE | {"together": str(TOGETHER), "together_patience_s": "60"}
    with running(tmp_path_factory.mktemp("joining"), **settings) as service:
        yield service


def meet(mark: str, *, others: int = TOGETHER - 1, tries: int = 6000, end: Path | None = None) -> dict[str, Any]:
    """Steps of 10 ms each, until one is computed with so many others, or there is the file ``end``."""
    return one("Meet", others=others, tries=tries, mark=mark, end=str(end or ""))


def shown(service: Service, job_id: str) -> Any:
    assert service.ended(job_id).state is JobState.COMPLETED
    return [output.data for output in service.store.jobs.outputs(job_id)]


def positions(service: Service, job_id: str) -> dict[str, int]:
    return {event.kind: event.position for event in service.store.events.of_job(job_id)}


def test_jobs_that_fit_join_a_running_one(joining: Service) -> None:
    first = joining.submit(meet(mark="a"))
    until_running(joining, first)
    others = [joining.submit(meet(mark=mark)) for mark in "bc"]
    assert [shown(joining, job) for job in (first, *others)] == [["met"]] * 3


def test_a_job_that_does_not_fit_waits_for_its_turn(joining: Service, tmp_path: Path) -> None:
    before = joining.submit(one("Gate", folder=str(tmp_path), steps=1))  # so that all three wait when the first begins
    until((tmp_path / "step-1").exists)
    first = joining.submit(meet(mark="d", end=tmp_path / "end"))
    other = joining.submit(one("Wait", tenths=1, mark="x"))
    joiner = joining.submit(meet(mark="e", end=tmp_path / "end"))
    (tmp_path / "go-1").touch()
    for job in (first, joiner):
        until_running(joining, job)
    (tmp_path / "end").touch()
    assert joining.ended(before).state is JobState.COMPLETED
    assert shown(joining, first) == shown(joining, joiner) == ["alone"], "two have met, but not three"
    assert shown(joining, other) == ["x"]
    assert positions(joining, joiner)["started"] < positions(joining, other)["node_started"]
    assert positions(joining, other)["node_started"] > positions(joining, first)["node_finished"]


def test_a_job_of_lower_priority_does_not_overtake(joining: Service) -> None:
    first = joining.submit(meet(tries=60, mark="f"))
    until_running(joining, first)
    urgent = joining.submit(one("Wait", tenths=1, mark="x"), priority=5)
    later = joining.submit(meet(tries=60, mark="g"))
    for job in (first, urgent, later):
        joining.ended(job)
    assert positions(joining, later)["started"] > positions(joining, urgent)["started"]


def test_one_of_those_that_joined_can_be_cancelled(joining: Service, tmp_path: Path) -> None:
    first, second = (joining.submit(meet(mark=mark, end=tmp_path / "end")) for mark in "hi")
    for job in (first, second):
        until_running(joining, job)
    joining.store.jobs.cancel(second)
    assert joining.ended(second).state is JobState.CANCELLED
    assert joining.job(first).state is JobState.RUNNING
    (tmp_path / "end").touch()
    assert shown(joining, first) == ["alone"]


def test_no_more_than_allowed(joining: Service, tmp_path: Path) -> None:
    jobs = [joining.submit(meet(others=9, mark=mark, end=tmp_path / "end")) for mark in "jklmn"]
    for job in jobs[:TOGETHER]:
        until_running(joining, job)
    states = [joining.job(job).state for job in jobs]
    assert states.count(JobState.RUNNING) == TOGETHER
    (tmp_path / "end").touch()
    assert [shown(joining, job) for job in jobs] == [["alone"]] * 5


def test_all_are_given_back_when_the_worker_dies(joining: Service, tmp_path: Path) -> None:
    jobs = [joining.submit(meet(mark=mark, end=tmp_path / "end")) for mark in "op"]
    for job in jobs:
        until_running(joining, job)
    os.kill(joining.wait_for_worker(), signal.SIGKILL)
    (tmp_path / "end").touch()
    assert [joining.ended(job).state for job in jobs] == [JobState.COMPLETED] * 2
    assert all(joining.job(job).attempts == 2 for job in jobs)


def test_nobody_joins_while_what_is_made_could_not_be_kept(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'queue.sqlite'}")
    waiting = store.jobs.submit(NewJob(prompt={}))[0].id
    taken: list[str] = []
    device = SimpleNamespace(engine=SimpleNamespace(at_once=2), may_overtake=True, fits=lambda prompt: True)
    able: list[Any] = [None, anything]
    joining = Joining(store, device, "w", 60, lambda job, *_: taken.append(job.id), lambda: able.pop(0))  # type: ignore[arg-type]
    assert not joining._join()
    assert store.jobs.queue()[1][0].id == waiting
    assert joining._join()
    assert taken == [waiting]
    store.close()
