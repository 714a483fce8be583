"""A PostgreSQL server whose processes are all stopped: it takes connections and says nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import psutil
import pytest
from sqlalchemy import create_engine, text

from adapters.service.store import Store, postgres
from adapters.service.store.database import parse_url
from adapters.service.store.errors import AWAY
from adapters.service.store.records import JobState, NewJob
from tests.adapters.run.worker.conftest import TROUBLE
from tests.adapters.run.worker.test_jobs import one, until_running
from tests.adapters.services import running, stop, until

LEASE_S = 2.0


@pytest.fixture
def server(postgres_url: str) -> psutil.Process:
    engine = create_engine(parse_url(postgres_url))
    with engine.connect() as connection:
        folder = connection.execute(text("SHOW data_directory")).scalar_one()
    engine.dispose()
    return psutil.Process(int((Path(folder) / "postmaster.pid").read_text().splitlines()[0]))


@contextmanager
def hanging(server: psutil.Process) -> Iterator[None]:
    processes = [server, *server.children(recursive=True)]
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            process.resume()


@pytest.fixture
def url(new_postgres_database: Callable[[], str]) -> str:
    return new_postgres_database()


def test_a_statement_has_an_end_and_the_store_goes_on_after_it(
    url: str, server: psutil.Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres.BoundedConnection, "patience_s", -0.5)
    monkeypatch.setattr(postgres, "_NETWORK", {"connect_timeout": 2})
    with pytest.MonkeyPatch.context() as quick:
        quick.setattr(postgres.BoundedConnection, "patience_s", 30.0)
        store = Store(url)
        job = store.jobs.submit(NewJob(prompt={}))[0]
    with hanging(server):
        for _ in range(2):
            with pytest.raises(AWAY):
                store.jobs.get(job.id)
            with pytest.raises(AWAY):
                store.jobs.submit(NewJob(prompt={}))
    monkeypatch.setattr(postgres.BoundedConnection, "patience_s", 30.0)
    assert store.jobs.get(job.id) == job
    store.close()


def test_a_statement_that_waits_for_a_lock_is_ended_by_the_server(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "PATIENCE_S", 0.3)
    store = Store(url)
    other = create_engine(parse_url(url))
    with other.begin() as connection:
        connection.execute(text("LOCK TABLE jobs"))
        with pytest.raises(AWAY, match="statement timeout"):
            store.jobs.get("x")
    assert store.jobs.get("x") is None
    other.dispose()
    store.close()


def test_a_transaction_of_a_process_that_was_stopped_amid_it_is_ended_by_the_server(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the rows that it has locked would be nobody's: a job of a worker that was stopped, say."""
    monkeypatch.setattr(postgres, "PATIENCE_S", 0.3)
    stopped, other = Store(url), Store(url)
    job = stopped.jobs.submit(NewJob(prompt={}))[0]
    assert stopped.leases.claim("w", 0.1) is not None

    def stand_still() -> None:
        with stopped.database.write() as connection:
            connection.execute(text("SELECT id FROM jobs FOR UPDATE")).all()
            until(lambda: other.leases.take_back(None, {"type": "WorkerLost", "message": "", "remedy": ""}) == [job.id])

    with pytest.raises(AWAY):
        stand_still()
    stopped.close()
    other.close()


@pytest.mark.skipif("CI" in os.environ, reason="it goes by a stopped server's real seconds, a minute of them: by hand")
def test_a_service_on_a_server_that_hangs_says_so_and_does_the_rest(
    url: str, server: psutil.Process, tmp_path: Path
) -> None:
    with running(tmp_path / "service", **TROUBLE, database_url=url, lease_s=str(LEASE_S)) as service:
        job_id = service.submit(one("Gate", folder=str(tmp_path), steps=1))
        until_running(service, job_id)
        with hanging(server), ThreadPoolExecutor(60) as pool:
            asked = [pool.submit(status, f"{service.url}/v1/jobs") for _ in range(52)]
            asked.append(pool.submit(status, f"{service.url}/ready"))
            assert status(f"{service.url}/") == 200
            assert status(f"{service.url}/object_info") == 200
            assert {one.result() for one in asked} == {503}
            (tmp_path / "go-1").touch()
        job = service.ended(job_id)
        assert (job.state, job.attempts) == (JobState.COMPLETED, 1), service.log
        assert service.kinds(job_id).count("started") == 1
        until(lambda: status(f"{service.url}/ready") == 200)
        with hanging(server):
            stop(service.process)
            assert service.process.returncode == 0, service.log


def status(url: str) -> int:
    try:
        with urlopen(url, timeout=60) as reply:
            return int(reply.status)
    except HTTPError as error:
        return error.code
