"""The door by itself: jobs that are given up half way, and limits."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from adapters.doors.runpod.door import RunPodDoor, Steps
from adapters.host.settings import Settings
from adapters.run.direct.runner import DirectRunner
from tests.adapters.services import picture_prompt


@pytest.fixture
def door(settings: Settings, runner: DirectRunner) -> RunPodDoor:
    return RunPodDoor(settings, runner, Steps())


def waiting(tenths: int) -> dict[str, Any]:
    inputs = {"tenths": tenths, "mark": ""}
    return {"id": "w", "input": {"workflow": {"1": {"class_type": "Wait", "inputs": inputs}}}}


PICTURE = {"id": "p", "input": {"workflow": picture_prompt(9)}}


def test_a_job_whose_task_is_cancelled_stops_and_the_next_one_runs(settings: Settings, runner: DirectRunner) -> None:
    async def run() -> dict[str, Any]:
        told = asyncio.Event()

        async def report(_job: Mapping[str, Any], progress: Mapping[str, Any]) -> None:
            if progress["node_id"]:
                told.set()

        door = RunPodDoor(settings, runner, Steps(report))
        task = asyncio.create_task(door.answer(waiting(6000)))
        await asyncio.wait_for(told.wait(), 60)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return await asyncio.wait_for(door.answer(PICTURE), 60)

    assert asyncio.run(run())["images"]


def test_a_stream_can_be_closed_by_whoever_reads_it(door: RunPodDoor) -> None:
    """RunPod's SDK leaves a stream at its first error, and the event loop closes it from elsewhere."""

    async def run() -> dict[str, Any]:
        stream = door.stream({"id": "a", "input": None})
        first = await anext(stream)
        await asyncio.create_task(stream.aclose())  # type: ignore[arg-type]
        return first

    assert json.loads(asyncio.run(run())["error"])["type"] == "RequestInvalid"


def test_a_job_may_not_run_longer_than_the_worker_lets_it(door: RunPodDoor, settings: Settings) -> None:
    job = waiting(1)
    job["input"]["time_limit_s"] = settings.time_limit_s + 1
    assert json.loads(asyncio.run(door.answer(job))["error"])["message"].startswith("time_limit_s: 3601 is more than")
    job = waiting(6000)
    job["input"]["time_limit_s"] = 0.5
    assert json.loads(asyncio.run(door.answer(job))["error"])["code"] == "time-limit"


def test_what_nobody_has_thought_of_is_no_traceback_for_clients(
    door: RunPodDoor, runner: DirectRunner, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(runner, "run", lambda *_: 1 / 0)
    error = json.loads(asyncio.run(door.answer(PICTURE))["error"])
    assert (error["type"], error["code"]) == ("InternalError", "internal-error")
    assert "ZeroDivisionError" in caplog.text


def test_what_a_job_was_refused_for_stands_in_the_log(door: RunPodDoor, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        asyncio.run(door.answer({"id": "job-1", "input": {"prompt": "a", "stepz": 3}}))
    (record,) = [
        record for record in caplog.records if record.getMessage().startswith("failed: stepz: there is no such")
    ]
    assert record.__dict__["job_id"] == "job-1"
