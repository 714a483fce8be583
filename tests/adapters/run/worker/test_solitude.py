"""Jobs whose worker was killed, which are tried again one by one, apart from all others."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from adapters.run.worker.solitude import Solitude
from adapters.service.store.records import JobState
from engine.context import CancelToken
from engine.errors import Cancelled
from tests.adapters.run.worker.conftest import TROUBLE
from tests.adapters.run.worker.test_jobs import one, until_running
from tests.adapters.services import Service, picture_prompt, running, until


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A worker with two jobs in hand, which may compute them together."""
    settings = TROUBLE | {"together": "2", "concurrency": "2"}
    with running(tmp_path_factory.mktemp("solitude"), **settings) as started:
        yield started


def test_jobs_that_lost_their_worker_together_are_tried_again_one_by_one(service: Service, tmp_path: Path) -> None:
    beside = service.submit(one("SlowFile", folder=str(tmp_path), steps=1))
    until_running(service, beside)
    crashing = service.submit(one("Crash", unless=str(tmp_path / "crashed")))
    until(lambda: service.kinds(crashing).count("requeued") == service.kinds(beside).count("requeued") == 1)
    fresh = service.submit(picture_prompt(3))
    until(lambda: service.kinds(beside).count("node_started") == 2)
    (tmp_path / "go-1").touch()
    for job_id in (beside, crashing, fresh):
        assert service.ended(job_id).state is JobState.COMPLETED
    # Which of the two goes first is open; that nobody is beside them is tested below, where no log is between.
    assert [service.kinds(job_id).count("requeued") for job_id in (beside, crashing, fresh)] == [1, 1, 0]


def test_who_waits_to_be_alone_goes_first_and_can_be_cancelled() -> None:
    solitude, order = Solitude(), []
    inside, leave = threading.Event(), threading.Event()

    def enter(name: str, *, alone: bool, cancel: CancelToken | None = None) -> None:
        with solitude.place(cancel or CancelToken(), alone=alone):
            order.append(name)
            if name == "first":
                inside.set()
                leave.wait(60)

    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(enter, "first", alone=False)
        inside.wait(60)
        pool.submit(enter, "beside", alone=False).result(60)
        gone = CancelToken()
        cancelled = pool.submit(enter, "cancelled", alone=True, cancel=gone)
        until(lambda: solitude._waiting == 1)
        gone.cancel()
        with pytest.raises(Cancelled):
            cancelled.result(60)
        alone = pool.submit(enter, "alone", alone=True)
        until(lambda: solitude._waiting == 1)
        later = pool.submit(enter, "later", alone=False)
        leave.set()
        for one_of in (first, alone, later):
            one_of.result(60)
    assert order == ["first", "beside", "alone", "later"]
