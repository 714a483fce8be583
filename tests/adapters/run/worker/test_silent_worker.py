"""A worker that hangs as a whole: its job is run by another, and it is started again."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from adapters.service.store.records import JobState
from tests.adapters.run.worker.conftest import TROUBLE
from tests.adapters.run.worker.test_jobs import one, until_running
from tests.adapters.services import Service, picture_prompt, running, until


@pytest.fixture
def two_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """``dagfusion serve`` with two workers, whose leases are short."""
    with running(tmp_path_factory.mktemp("silent"), **TROUBLE, lease_s="2", workers="2") as service:
        until(lambda: len(_ready(service)) == 2)
        yield service


def test_a_silent_workers_job_is_run_by_another_and_the_worker_is_replaced(
    two_workers: Service, tmp_path: Path
) -> None:
    service = two_workers
    job_id = service.submit(one("Gate", folder=str(tmp_path), steps=1))
    until_running(service, job_id)
    owner = service.job(job_id).lease_owner
    silent = _ready(service)[owner or ""]
    process = psutil.Process(silent)
    os.kill(silent, signal.SIGSTOP)
    (tmp_path / "go-1").touch()  # the other one, whose lease is as short, is done with it at once
    job = service.ended(job_id)
    assert (job.state, job.attempts) == (JobState.COMPLETED, 2)
    kinds = service.kinds(job_id)
    assert (kinds.count("started"), kinds.count("requeued"), kinds.count("completed")) == (2, 1, 1)
    started = [event.data["worker"] for event in service.store.events.of_job(job_id) if event.kind == "started"]
    assert started[0] == owner != started[1]
    until(lambda: not process.is_running())
    until(lambda: len(_ready(service)) == 2 and owner not in _ready(service))
    assert service.kinds(job_id) == kinds
    assert service.ended(service.submit(picture_prompt(1))).state is JobState.COMPLETED


def _ready(service: Service) -> dict[str, int]:
    """Process ids of the workers that are ready, by their names."""
    return {one.id: one.pid for one in service.store.workers.alive(60) if one.state == "ready"}
