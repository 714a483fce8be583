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
    until(lambda: process.status() == psutil.STATUS_STOPPED)
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


def test_a_job_that_holds_the_interpreter_fails_once_and_names_its_node(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    """The job beside it, which waits for a file meanwhile, has one attempt only and goes on all the same."""
    with running(tmp_path_factory.mktemp("held"), **TROUBLE, lease_s="1.5", concurrency="2") as service:
        beside = service.submit(one("SlowFile", folder=str(tmp_path), steps=1), max_attempts=1)
        until_running(service, beside)
        until((tmp_path / "step-1").exists)
        held = service.submit(one("HoldsInterpreter", seconds=120))
        job = service.ended(held)
        (tmp_path / "go-1").touch()
        assert job.error is not None
        assert (job.state, job.attempts) == (JobState.FAILED, 1)
        assert (job.error["node_id"], job.error["class_type"]) == ("1", "HoldsInterpreter")
        assert "node 1 (HoldsInterpreter) ran while" in job.error["message"] and job.error["remedy"]
        assert service.kinds(held).count("started") == 1
        assert service.ended(beside).state is JobState.COMPLETED
