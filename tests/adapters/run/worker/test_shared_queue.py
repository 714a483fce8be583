"""Several workers on one queue, on SQLite and on PostgreSQL, and how they end when they are told to."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from adapters.service.store.records import JobState
from tests.adapters.run.worker.conftest import TROUBLE
from tests.adapters.run.worker.test_jobs import one, until_running
from tests.adapters.services import Service, picture_prompt, running, until


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Service]]:
    """Two workers over one database and one set of folders."""
    folder = tmp_path_factory.mktemp("pair")
    settings = dict(TROUBLE)
    if request.param == "postgresql":
        make: Callable[[], str] = request.getfixturevalue("new_postgres_database")
        settings["database_url"] = make()
    shared = {name: str(folder / name) for name in ("data", "input", "output", "temp")}
    with (
        running(folder / "first", "worker", ready=False, **settings, **shared) as first,
        running(folder / "second", "worker", ready=False, **settings, **shared) as second,
    ):
        until(lambda: sum(worker.state == "ready" for worker in first.store.workers.alive(60)) == 2, 90)
        yield [first, second]


def test_two_workers_share_a_queue(pair: list[Service], tmp_path: Path) -> None:
    service = pair[0]
    gates = [tmp_path / name for name in "ab"]
    for gate in gates:
        gate.mkdir()
    slow = [service.submit(one("Gate", folder=str(gate), steps=1)) for gate in gates]
    for gate in gates:
        until((gate / "step-1").exists)
    for gate in gates:
        (gate / "go-1").touch()
    jobs = slow + [service.submit(picture_prompt(i)) for i in range(10)]
    assert {service.ended(job).state for job in jobs} == {JobState.COMPLETED}
    owners = {service.store.events.of_job(job)[1].data["worker"] for job in slow}
    assert len(owners) == 2
    assert all(service.kinds(job).count("started") == 1 for job in jobs)


def test_a_worker_that_is_told_to_stop_ends_its_job_first(pair: list[Service], tmp_path: Path) -> None:
    service = pair[0]
    running_job = service.submit(one("Gate", folder=str(tmp_path), steps=1))
    until_running(service, running_job)
    owner = service.job(running_job).lease_owner
    (worker,) = [worker for worker in service.store.workers.alive(60) if worker.id == owner]
    os.kill(worker.pid, signal.SIGTERM)
    until(lambda: any(one.id == owner and one.state == "draining" for one in service.store.workers.alive(60)))
    (tmp_path / "go-1").touch()
    later = service.submit(picture_prompt(50))
    job = service.ended(running_job)
    assert (job.state, job.attempts) == (JobState.COMPLETED, 1)
    assert service.ended(later).state is JobState.COMPLETED
    assert service.store.events.of_job(later)[1].data["worker"] != owner
    stopped = next(one for one in pair if one.process.pid == worker.pid)
    assert stopped.process.wait(30) == 0
    assert owner not in {one.id for one in service.store.workers.alive(60)}


def test_a_worker_that_is_told_twice_gives_its_job_back(pair: list[Service]) -> None:
    service = pair[0]
    job_id = service.submit(one("Wait", tenths=600, mark="back"))
    until_running(service, job_id)
    (worker,) = service.store.workers.alive(60)
    os.kill(worker.pid, signal.SIGTERM)
    until(lambda: service.store.workers.alive(60)[0].state == "draining")
    os.kill(worker.pid, signal.SIGTERM)
    until(lambda: service.job(job_id).state is JobState.QUEUED)
    assert service.kinds(job_id)[-1] == "requeued"
    stopped = next(one for one in pair if one.process.pid == worker.pid)
    assert stopped.process.wait(30) == 0
