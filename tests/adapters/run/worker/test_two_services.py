"""Two services on one data folder, of which one alone has nodes of its own: each job runs where it can."""

from __future__ import annotations

from pathlib import Path

import httpx

from adapters.service.store.records import JobState
from tests.adapters.run.worker.conftest import TROUBLE
from tests.adapters.run.worker.test_jobs import one
from tests.adapters.services import picture_prompt, running, until


def test_a_job_goes_to_a_worker_that_has_its_nodes(tmp_path: Path) -> None:
    shared = {name: str(tmp_path / name) for name in ("data", "input", "output", "temp")}
    own = ("serve", "--port", "0", "--no-worker")
    with (
        running(tmp_path / "own", *own, ready=False, **TROUBLE, **shared) as first,
        running(tmp_path / "plain", lease_s="3", **shared) as second,
    ):
        posted = httpx.post(f"{first.url}/v1/jobs", json={"workflow": one("Wait", tenths=1), "priority": 5})
        job = f"{first.url}/v1/jobs/{posted.json()['id']}"
        assert posted.status_code == 202, posted.text
        until(lambda: httpx.get(job).json()["waits_for"] == ["node class Wait"])
        until(lambda: httpx.get(f"{second.url}/ready").json()["unmet"] == ["node class Wait"])
        assert second.ended(second.submit(picture_prompt())).state is JobState.COMPLETED
        (worker,) = second.store.workers.alive(60)
        assert worker.info["own_classes"] == []
        assert second.log.count("needs what this worker does not have: node class Wait") == 1
        assert httpx.get(job).json()["state"] == "queued"
        with running(tmp_path / "worker", "worker", ready=False, **TROUBLE, **shared):
            until(lambda: httpx.get(job).json()["state"] == "completed", 90)
        done = httpx.get(job).json()
        assert (done["attempts"], done["waits_for"]) == (1, [])
        assert "another service" not in first.log
        assert "to be apart, give one of them a folder of its own: --data or DAGFUSION_DATA" in second.log
