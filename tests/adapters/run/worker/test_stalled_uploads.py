"""A store of blobs that takes an upload and does not answer: what becomes of the job whose output it is."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from adapters.service.new_files import is_part
from adapters.service.store.records import JobState
from tests.adapters.s3 import serving_s3
from tests.adapters.services import picture_prompt, running, until

LEASE_S = 1.5


def test_an_upload_that_stalls_costs_no_job_and_one_that_is_cancelled_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("s3fs")
    with serving_s3() as (port, s3):
        for name, value in (("ACCESS_KEY_ID", "id"), ("SECRET_ACCESS_KEY", "key"), ("REGION", "us-east-1")):
            monkeypatch.setenv(f"AWS_{name}", value)
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        settings = {"blobs": "s3://bucket/blobs", "lease_s": str(LEASE_S), "stop_grace_s": "0.5"}
        with running(tmp_path, **settings) as service:
            worker, output = service.wait_for_worker(), Path(service.settings["output"])
            s3.goes_on.clear()
            stalled = service.submit(picture_prompt(1, "stalled"))
            until(s3.stalls.is_set)
            over = time.monotonic() + 5 * LEASE_S  # a worker that is silent for four is killed
            until(lambda: time.monotonic() > over)
            s3.goes_on.set()
            job = service.ended(stalled)
            assert (job.state, job.attempts) == (JobState.COMPLETED, 1), service.log
            assert service.wait_for_worker() == worker
            (made,) = service.store.jobs.outputs(stalled)
            assert list(s3.objects) == [f"blobs/{str(made.digest)[:2]}/{made.digest}"]

            s3.stalls.clear()
            s3.goes_on.clear()
            cancelled = service.submit(picture_prompt(2, "cancelled"))
            until(s3.stalls.is_set)
            service.store.jobs.cancel(cancelled)
            job = service.ended(cancelled)
            assert (job.state, job.attempts) == (JobState.CANCELLED, 1)
            s3.goes_on.set()
            assert service.ended(service.submit(picture_prompt(3, "later"))).state is JobState.COMPLETED
            assert service.store.jobs.outputs(cancelled) == []
            # Of the process that ended itself a part may be left, which nobody is shown; it is swept away in time.
            shown = sorted(path.name for path in output.rglob("*") if not is_part(path.name))
            assert shown == ["later_00001_.png", "stalled_00001_.png"]
            assert service.kinds(cancelled)[-1] == "cancelled"
