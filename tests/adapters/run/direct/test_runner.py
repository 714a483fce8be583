"""A job document goes in, messages come out; the last one is the end, whatever happens."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import pickle
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from adapters.host.settings import Settings
from adapters.run.direct.document import job_document
from adapters.run.direct.messages import Completed, End, FailedEnd, Happened, Message, Previewed, Stopped
from adapters.run.direct.runner import DirectRunner
from adapters.service.blobs.store import BlobStore
from adapters.service.store import Store
from adapters.service.store.records import InputFile, NewJob
from engine.context import CancelToken
from tests.adapters.services import picture_prompt, until


def document(prompt: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": "a", "prompt": prompt} | more


def waiting(tenths: int) -> dict[str, Any]:
    return {"1": {"class_type": "Wait", "inputs": {"tenths": tenths, "mark": ""}}}


def kinds(messages: list[Message]) -> list[str]:
    """Those of all entries, the last message's too."""
    return [entry.kind for message in messages if not isinstance(message, Previewed) for entry in message.entries]


def ended(messages: list[Message]) -> End:
    assert not any(isinstance(message, End) for message in messages[:-1])
    last = messages[-1]
    assert isinstance(last, End)
    return last


def in_thread(runner: DirectRunner, job: dict[str, Any], cancel: CancelToken) -> tuple[list[Message], threading.Thread]:
    found: list[Message] = []
    thread = threading.Thread(target=lambda: found.extend(runner.run(job, cancel)))
    thread.start()
    return found, thread


def test_a_picture_comes_out_as_a_blob(runner: DirectRunner) -> None:
    messages = list(runner.run(document(picture_prompt(0xFF0000))))
    end = ended(messages)
    assert isinstance(end, Completed)
    assert kinds(messages)[0] == "run_started" and kinds(messages)[-1] == "node_finished"
    assert (end.progress["fraction"], end.progress["done"]) == (1.0, end.progress["total"])
    (output,) = end.outputs
    assert (output.name, output.media_type, output.digest is None) == ("2_images_0.png", "image/png", False)
    picture = Image.open(io.BytesIO(b"".join(runner.blobs.chunks(output.digest or ""))))
    assert picture.getpixel((3, 3)) == (255, 0, 0)
    assert [type(message) for message in pickle.loads(pickle.dumps(messages))] == [type(one) for one in messages]


def test_a_job_of_the_queue_travels_as_json_with_its_files(runner: DirectRunner, settings: Settings) -> None:
    file = io.BytesIO()
    Image.new("RGB", (16, 16), "lime").save(file, "PNG")
    digest = hashlib.sha256(file.getvalue()).hexdigest()
    stored = InputFile("in.png", digest, f".uploads/{digest}.png", "image/png", len(file.getvalue()))
    prompt = {
        "1": {"class_type": "LoadImage", "inputs": {"image": stored.stored_name}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "copy"}},
        "3": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
    }
    store = Store(settings.database)
    new = NewJob(prompt=prompt, targets=("2",), files=(stored,), extra_pnginfo={"workflow": {"a": 1}}, time_limit_s=9)
    job, _ = store.jobs.submit(new)
    sent = job_document(job, store.jobs.inputs(job.id))
    store.close()
    sent["files"][0]["data"] = base64.b64encode(file.getvalue()).decode()
    end = ended(list(runner.run(json.loads(json.dumps(sent)))))
    assert isinstance(end, Completed)
    assert [output.node_id for output in end.outputs] == ["2"]
    saved = Image.open(io.BytesIO(b"".join(runner.blobs.chunks(end.outputs[0].digest or ""))))
    assert saved.getpixel((3, 3)) == (0, 255, 0)
    assert json.loads(saved.info["workflow"]) == {"a": 1}


def test_a_node_that_fails_ends_the_job_with_an_error_document(runner: DirectRunner) -> None:
    messages = list(runner.run(document({"1": {"class_type": "Hog", "inputs": {"seed": 1}}})))
    end = ended(messages)
    assert isinstance(end, FailedEnd)
    assert (end.error["type"], end.error["node_id"], end.error["class_type"]) == ("OutOfMemory", "1", "Hog")
    assert kinds(messages)[:2] == ["run_started", "node_started"]
    assert runner.sick is None


def test_a_workflow_that_cannot_run_tells_all_its_problems(runner: DirectRunner) -> None:
    end = ended(list(runner.run(document({"1": {"class_type": "Nothing", "inputs": {}}, "2": waiting(-1)["1"]}))))
    assert isinstance(end, FailedEnd)
    assert end.error["type"] == "GraphInvalid" and end.error["problems"]


@pytest.mark.parametrize(
    "junk",
    [
        None,
        [],
        {},
        {"id": "a"},
        {"id": "a", "prompt": []},
        document({}, time_limit_s=-1),
        document({}, files=[{"name": "x"}]),
        document({}, files=[{**dict.fromkeys(("name", "digest", "stored_name", "media_type"), ""), "size_bytes": "x"}]),
        document({"1": {"class_type": "EmptyImage"}}, files=[dict.fromkeys(("name", "digest"), "")]),
    ],
)
def test_what_is_no_job_document_fails(runner: DirectRunner, junk: Any) -> None:
    end = ended(list(runner.run(junk)))
    assert isinstance(end, FailedEnd)
    assert (end.error["type"], end.error["message"][:23]) == ("WorkflowUnreadable", "that is no job document")


def test_a_file_that_is_not_there_fails_the_job(runner: DirectRunner) -> None:
    digest = "ab" * 32
    file = {"name": "x", "digest": digest, "stored_name": f".uploads/{digest}.png", "media_type": "", "size_bytes": 1}
    end = ended(list(runner.run(document(picture_prompt(), files=[file]))))
    assert isinstance(end, FailedEnd) and end.error["type"] == "BlobMissing"


def test_a_job_is_cancelled_while_it_runs_and_while_it_waits(runner: DirectRunner) -> None:
    running, waits = CancelToken(), CancelToken()
    first, first_thread = in_thread(runner, document(waiting(600)), running)
    until(lambda: any(isinstance(message, Happened) for message in first))
    second, second_thread = in_thread(runner, document(waiting(600)), waits)
    waits.cancel()
    second_thread.join(60)
    assert isinstance(ended(second), Stopped) and "node_started" not in kinds(second)
    assert first_thread.is_alive()
    running.cancel()
    first_thread.join(60)
    assert isinstance(ended(first), Stopped) and "node_started" in kinds(first)


def test_closing_the_messages_stops_the_job_and_frees_the_device(runner: DirectRunner) -> None:
    messages: Iterator[Message] = runner.run(document(waiting(600)))
    assert isinstance(next(messages), Happened)
    messages.close()  # type: ignore[attr-defined]
    assert isinstance(ended(list(runner.run(document(picture_prompt(1))))), Completed)


def test_a_job_that_runs_too_long_fails(runner: DirectRunner) -> None:
    end = ended(list(runner.run(document(waiting(600), time_limit_s=0.3))))
    assert isinstance(end, FailedEnd)
    assert (end.error["type"], "0.3 s" in end.error["message"]) == ("TimeLimit", True)


def test_a_slow_reader_holds_up_no_run_and_misses_no_node(runner: DirectRunner) -> None:
    prompt = {str(i): {"class_type": "Wait", "inputs": {"tenths": 1, "mark": f"slow {i}"}} for i in range(12)}
    messages: list[Message] = []
    for message in runner.run(document(prompt)):
        messages.append(message)
        time.sleep(0.15)
    end = ended(messages)
    assert isinstance(end, Completed) and end.seconds < 12 * 2
    finished = [kind for kind in kinds(messages) if kind == "node_finished"]
    assert len(finished) == 12
    assert [output.data for output in end.outputs] == [f"slow {i}" for i in range(12)]


def test_a_node_that_does_not_stop_makes_the_worker_sick(
    runner: DirectRunner, settings: Settings, tmp_path: Path
) -> None:
    sick = DirectRunner(runner.engine, BlobStore(settings.blob_url), stop_grace_s=0.3)
    prompt = {"1": {"class_type": "Stubborn", "inputs": {"tenths": 600, "end": str(tmp_path / "end")}}}
    end = ended(list(sick.run(document(prompt, time_limit_s=3.0))))  # the node has begun by then
    assert isinstance(end, FailedEnd) and end.error["type"] == "TimeLimit"
    assert sick.sick is not None and "does not stop" in sick.sick
    refused = ended(list(sick.run(document(picture_prompt()))))
    assert isinstance(refused, FailedEnd) and refused.error["type"] == "WorkerLost"
    (tmp_path / "end").touch()
    for thread in threading.enumerate():  # The node stops at last: torch is not to be in use when the interpreter ends.
        if thread.name.startswith("perform"):
            thread.join(60)
