"""A worker that nobody watches is stopped at its job, whose lease runs out; it goes on when another one did the job."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from adapters.host.settings import read_settings
from adapters.service.maintenance import Maintenance
from adapters.service.store.records import JobState
from tests.adapters.run.worker.conftest import TROUBLE
from tests.adapters.services import Service, picture_prompt, running, until


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Service]:
    """``dagfusion worker`` without a supervisor, with a short lease."""
    shared = {name: str(tmp_path / name) for name in ("data", "input", "output", "temp")}
    with running(tmp_path / "first", "worker", **TROUBLE, **shared, lease_s="2") as service:
        yield service


def test_a_worker_that_was_stopped_adds_nothing_to_what_another_has_done(alone: Service, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    gate.mkdir()
    picture = {"class_type": "GatedPicture", "inputs": {"folder": str(gate)}}
    job_id = alone.submit({"1": picture, "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0]}}})
    first = alone.process.pid
    until((gate / f"at-{first}").exists)
    stop_outside_of_transactions(alone)
    shared = {name: alone.settings[name] for name in ("data", "input", "output", "temp")}
    maintenance = Maintenance(alone.store, read_settings({"lease_s": 2.0, "data": alone.settings["data"]}))
    with running(tmp_path / "second", "worker", ready=False, **TROUBLE, **shared, lease_s="2") as second:
        until(lambda: maintenance.tick() or (gate / f"at-{second.process.pid}").exists(), 90)
        (gate / f"go-{second.process.pid}").touch()
        done = alone.ended(job_id)
        assert (done.state, done.attempts) == (JobState.COMPLETED, 2)
        before = until(lambda: once(alone, job_id))
        (gate / f"go-{first}").touch()
        os.kill(first, signal.SIGCONT)
        until(lambda: "the job was taken from this worker" in alone.log)
        until(lambda: result(alone, job_id) == before)
        kinds = alone.kinds(job_id)
        assert [kinds.count(kind) for kind in ("started", "requeued", "completed")] == [2, 1, 1]
        second.process.send_signal(signal.SIGTERM)
        assert second.process.wait(30) == 0
    later = alone.ended(alone.submit(picture_prompt(7)))
    assert (later.state, later.attempts) == (JobState.COMPLETED, 1)


def stop_outside_of_transactions(service: Service) -> None:
    """Stop the worker while it holds no lock of the database, which would stop everybody else too."""
    process, database = psutil.Process(service.process.pid), Path(service.settings["data"]) / "queue.sqlite"

    def stopped() -> bool:
        process.suspend()
        until(lambda: process.status() == psutil.STATUS_STOPPED)
        connection = sqlite3.connect(database, timeout=0.5, isolation_level=None)
        with closing(connection) as other, suppress(sqlite3.OperationalError):
            other.execute("BEGIN IMMEDIATE")
            other.execute("ROLLBACK")
            return True
        process.resume()
        return False

    until(stopped)


def once(service: Service, job_id: str) -> Any:
    """The result once the job's one output is the one file that there is."""
    found = result(service, job_id)
    return found if len(found[0]) == len(found[2]) == 1 else None


def result(service: Service, job_id: str) -> Any:
    """The outputs of the job, its last event, and every file of the output folder, hidden ones too."""
    outputs, events = service.store.jobs.outputs(job_id), service.store.events.of_job(job_id)
    folder = Path(service.settings["output"])
    files = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return outputs, events, files
