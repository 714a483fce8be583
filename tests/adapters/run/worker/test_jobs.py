"""What becomes of jobs: run, cancelled, out of time, out of memory, lost with their worker. One real worker for all."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from adapters.service.store.records import JobState
from engine.journal import Journal
from tests.adapters.services import Service, picture_prompt, until


def one(class_type: str, **inputs: Any) -> dict[str, Any]:
    """A graph of a single node."""
    return {"1": {"class_type": class_type, "inputs": inputs}}


def until_running(service: Service, job_id: str) -> None:
    """Until the job's node is at work."""
    until(lambda: "node_started" in service.kinds(job_id))


def test_a_job_is_run_and_its_log_and_outputs_are_kept(supervised: Service) -> None:
    job_id = supervised.submit(picture_prompt(1))
    job = supervised.ended(job_id)
    assert job.state is JobState.COMPLETED
    node = ["node_started", "node_finished"]
    assert supervised.kinds(job_id) == ["queued", "started", "run_started", *node, *node, "completed"]
    assert job.progress is not None
    assert (job.progress["done"], job.progress["total"], job.progress["fraction"]) == (2, 2, 1.0)
    (output,) = supervised.store.jobs.outputs(job_id)
    assert (output.name, output.node_id, output.kind, output.cached) == ("2_images_0.png", "2", "images", False)
    assert (output.media_type, output.folder, output.filename) == ("image/png", "output", "test_00001_.png")
    saved = (supervised.folder / "output" / "test_00001_.png").read_bytes()
    assert output.digest is not None
    assert (supervised.folder / "data" / "blobs" / output.digest[:2] / output.digest).read_bytes() == saved
    assert output.size_bytes == len(saved)


def test_a_cached_job_has_the_same_outputs(supervised: Service) -> None:
    first = supervised.submit(picture_prompt(2))
    assert supervised.ended(first).state is JobState.COMPLETED
    second = supervised.submit(picture_prompt(2))
    assert supervised.ended(second).state is JobState.COMPLETED
    (made,), (known,) = (supervised.store.jobs.outputs(one) for one in (first, second))
    assert (made.cached, known.cached) == (False, True)
    assert (known.digest, known.filename) == (made.digest, made.filename)


def test_texts_are_outputs_too(supervised: Service) -> None:
    job_id = supervised.submit(one("PreviewAny", source="hello"))
    assert supervised.ended(job_id).state is JobState.COMPLETED
    assert [(made.name, made.data) for made in supervised.store.jobs.outputs(job_id)] == [("1_text_0", "hello")]


def test_only_what_the_targets_need_runs(supervised: Service) -> None:
    prompt = one("PreviewAny", source="wanted") | {"2": {"class_type": "Hog", "inputs": {}}}
    job_id = supervised.submit(prompt, targets=("1",))
    assert supervised.ended(job_id).state is JobState.COMPLETED


def test_a_workflow_that_cannot_run_fails_with_its_problems(supervised: Service) -> None:
    job = supervised.ended(supervised.submit(one("NoSuchNode")))
    assert (job.state, job.attempts) == (JobState.FAILED, 1)
    assert job.error is not None
    assert job.error["type"] == "GraphInvalid"
    assert job.error["problems"][0]["node_id"] == "1"


def test_the_next_job_has_the_device_while_the_last_files_are_written(supervised: Service, tmp_path: Path) -> None:
    writing = supervised.submit(one("SlowFile", folder=str(tmp_path), steps=1))
    until((tmp_path / "step-1").exists)
    assert supervised.ended(supervised.submit(picture_prompt(3))).state is JobState.COMPLETED
    assert supervised.job(writing).state is JobState.RUNNING
    (tmp_path / "go-1").touch()
    assert supervised.ended(writing).state is JobState.COMPLETED


def test_a_job_that_only_writes_files_can_be_cancelled(supervised: Service, tmp_path: Path) -> None:
    writing = supervised.submit(one("SlowFile", folder=str(tmp_path), steps=1))
    until((tmp_path / "step-1").exists)
    supervised.store.jobs.cancel(writing)
    assert supervised.ended(writing).state is JobState.CANCELLED


def test_a_running_job_is_cancelled_and_no_other(supervised: Service) -> None:
    first = supervised.submit(one("Wait", tenths=600, mark="first"))
    second = supervised.submit(one("Wait", tenths=2, mark="second"))
    third = supervised.submit(one("Wait", tenths=600, mark="third"))
    until_running(supervised, first)
    supervised.store.jobs.cancel(third)
    assert supervised.job(third).state is JobState.CANCELLED
    supervised.store.jobs.cancel(first)
    assert supervised.ended(first).state is JobState.CANCELLED
    assert supervised.kinds(first)[-2:] == ["cancel_requested", "cancelled"]
    assert supervised.ended(second).state is JobState.COMPLETED
    assert supervised.kinds(third) == ["queued", "cancelled"]


def test_cancelling_takes_effect_between_two_steps(supervised: Service, tmp_path: Path) -> None:
    job_id = supervised.submit(one("Gate", folder=str(tmp_path), steps=10))
    for step in (1, 2):
        until((tmp_path / f"step-{step}").exists)
        (tmp_path / f"go-{step}").touch()
    until((tmp_path / "step-3").exists)
    supervised.store.jobs.cancel(job_id)
    job = supervised.ended(job_id)
    assert job.state is JobState.CANCELLED
    assert sorted(path.name for path in tmp_path.glob("step-*")) == ["step-1", "step-2", "step-3"]
    kinds = supervised.kinds(job_id)
    assert kinds[-1] == "cancelled" and "cancel_requested" in kinds
    told = [event.data["value"] for event in supervised.store.events.of_job(job_id) if event.kind == "node_progress"]
    assert max(told, default=0) <= 2


def test_a_job_that_runs_too_long_fails_by_its_time_limit(supervised: Service) -> None:
    job = supervised.ended(supervised.submit(one("Wait", tenths=600, mark="long"), time_limit_s=1.0))
    assert (job.state, job.attempts) == (JobState.FAILED, 1)
    assert job.error is not None
    assert job.error["type"] == "TimeLimit"
    assert "1 s" in job.error["message"]


def test_memory_that_runs_out_fails_the_job_and_nothing_else(supervised: Service) -> None:
    worker = supervised.wait_for_worker()
    job = supervised.ended(supervised.submit(one("Hog", seed=1)))
    assert (job.state, job.attempts) == (JobState.FAILED, 1)
    assert job.error is not None
    assert (job.error["type"], job.error["node_id"], job.error["class_type"]) == ("OutOfMemory", "1", "Hog")
    assert supervised.ended(supervised.submit(picture_prompt(3))).state is JobState.COMPLETED
    assert supervised.wait_for_worker() == worker


def test_a_job_goes_on_after_its_worker_was_killed(supervised: Service) -> None:
    job_id = supervised.submit(one("Wait", tenths=5, mark="killed"))
    until_running(supervised, job_id)
    os.kill(supervised.wait_for_worker(), signal.SIGKILL)
    job = supervised.ended(job_id)
    assert (job.state, job.attempts) == (JobState.COMPLETED, 2)
    kinds = supervised.kinds(job_id)
    assert (kinds.count("started"), kinds.count("requeued"), kinds.count("completed")) == (2, 1, 1)
    requeued = supervised.store.events.of_job(job_id)[kinds.index("requeued")].data
    assert requeued["reason"]["type"] == "WorkerLost"
    assert "was killed by signal 9" in requeued["reason"]["message"]


def test_a_node_that_ends_its_process_fails_its_job_and_no_other(supervised: Service) -> None:
    crashing = supervised.submit(one("Crash", unless="", seed=1), max_attempts=2)
    other = supervised.submit(picture_prompt(4))
    job = supervised.ended(crashing)
    assert (job.state, job.attempts) == (JobState.FAILED, 2)
    assert job.error is not None
    assert job.error["type"] == "WorkerLost"
    assert "signal 9" in job.error["message"]
    assert (job.error["node_id"], job.error["class_type"]) == ("1", "Crash")
    assert supervised.ended(other).state is JobState.COMPLETED


@pytest.mark.parametrize("how", ["cancelled", "out of time"])
def test_a_node_that_does_not_stop_is_ended_with_its_process(supervised: Service, how: str) -> None:
    worker = supervised.wait_for_worker()
    limit_s = 1.0 if how == "out of time" else 600.0
    job_id = supervised.submit(one("Stubborn", tenths=600, end=""), time_limit_s=limit_s)
    until_running(supervised, job_id)
    if how == "cancelled":
        supervised.store.jobs.cancel(job_id)
    job = supervised.ended(job_id)
    assert job.attempts == 1
    if how == "cancelled":
        assert job.state is JobState.CANCELLED
    else:
        assert job.error is not None
        assert (job.state, job.error["type"]) == (JobState.FAILED, "TimeLimit")
    assert supervised.ended(supervised.submit(picture_prompt(5))).state is JobState.COMPLETED
    assert supervised.wait_for_worker() != worker


@pytest.mark.parametrize("source", ["EmptyImage", "OfThisProcess"])
def test_files_of_an_attempt_that_died_are_not_there_twice(supervised: Service, tmp_path: Path, source: str) -> None:
    size = {"width": 8, "height": 8, "batch_size": 3, "color": 9} if source == "EmptyImage" else {}
    prompt: dict[str, Any] = {"0": {"class_type": source, "inputs": size}}
    for number in (1, 2):
        inputs = {"images": ["0", 0], "filename_prefix": f"{tmp_path.name}/died{number}"}
        prompt[str(number)] = {"class_type": "SaveImage", "inputs": inputs}
    prompt["9"] = {"class_type": "Gate", "inputs": {"folder": str(tmp_path), "steps": 1}}
    folder = Path(supervised.settings["output"]) / tmp_path.name
    pid = supervised.wait_for_worker()
    job_id = supervised.submit(prompt)
    until(lambda: folder.is_dir() and len(list(folder.glob("died*"))) == 6 and (tmp_path / "step-1").exists())
    os.kill(pid, signal.SIGKILL)
    (tmp_path / "go-1").touch()
    job = supervised.ended(job_id, 120)
    assert (job.state, job.attempts) == (JobState.COMPLETED, 2)
    assert len(list(folder.iterdir())) == 6
    outputs = supervised.store.jobs.outputs(job_id)
    assert {folder / (output.filename or "") for output in outputs} == set(folder.iterdir())
    journal = Journal(folder.parent, job_id, 2)
    until(lambda: not journal.is_kept)
    supervised.wait_for_worker()
