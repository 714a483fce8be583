"""The client against the real service: submitting, waiting, streaming, cancelling, downloading, and what goes wrong."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from client import generate_sync
from client.generate_models import TARGET, generated
from dagfusion_client import AsyncClient, Client, JobCancelled, JobFailed, Refused, TimedOut, Unreachable
from tests.adapters.services import Service, closed_port, endless_prompt, picture_prompt


def long_prompt(color: int, length: int = 300) -> dict[str, Any]:
    """A chain of many small steps."""
    prompt = picture_prompt(color)
    for number in range(3, 3 + length):
        source = "1" if number == 3 else str(number - 1)
        prompt[str(number)] = {"class_type": "ImageInvert", "inputs": {"image": [source, 0]}}
    prompt["2"]["inputs"]["images"] = [str(2 + length), 0]
    return prompt


def colour_of(file: Path) -> object:
    """Of the picture's first pixel."""
    with Image.open(file) as picture:
        return picture.convert("RGB").getpixel((0, 0))


def test_the_models_are_those_of_the_services_document() -> None:
    assert generated() == TARGET.read_text(), "run: python -m client.generate_models"


def test_the_synchronous_client_is_the_asynchronous_one_without_waiting() -> None:
    here = generate_sync.PACKAGE / "_sync"
    found = {path.name: path.read_text() for path in here.glob("*.py") if path.name != "__init__.py"}
    assert found == generate_sync.generated(), "run: python -m client.generate_sync"


def test_a_workflow_is_run_and_its_output_saved(client: Client, tmp_path: Path) -> None:
    file = tmp_path / "workflow.json"
    file.write_text(json.dumps(picture_prompt(prefix="client")))
    job = client.run(file, overrides={"EmptyImage.color": 0xFF0000}, priority=3)
    assert (job.state, job.priority) == ("completed", 3)
    assert job.outputs is not None
    (output,) = job.outputs
    saved = client.download(output, tmp_path / "results")
    assert saved == tmp_path / "results" / output.name
    assert colour_of(saved) == (255, 0, 0)
    assert client.download(output, tmp_path / "named.png") == tmp_path / "named.png"
    assert sorted(one.name for one in (tmp_path / "results").iterdir()) == [output.name]


def test_a_picture_in_another_format_is_saved_under_its_suffix(client: Client, tmp_path: Path) -> None:
    job = client.run(picture_prompt(prefix="format"), output={"format": "webp"})
    assert job.outputs is not None
    saved = client.download(job.outputs[0], tmp_path)
    with Image.open(saved) as picture:
        assert (saved.suffix, picture.format) == (".webp", "WEBP")


def test_files_go_along_as_paths_bytes_and_text(client: Client, tmp_path: Path) -> None:
    for name, colour in (("red.png", (255, 0, 0)), ("green.png", (0, 255, 0))):
        Image.new("RGB", (4, 4), colour).save(tmp_path / name)
    workflow = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "red.png"}},
        "2": {"class_type": "LoadImage", "inputs": {"image": "green.png"}},
        "3": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "a"}},
        "4": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "b"}},
    }
    files = {"red.png": tmp_path / "red.png", "green.png": (tmp_path / "green.png").read_bytes()}
    job = client.run(workflow, files=files)
    saved = [client.download(output, tmp_path / "out") for output in job.outputs or []]
    assert [colour_of(file) for file in saved] == [(255, 0, 0), (0, 255, 0)]


def test_a_picture_that_carries_a_workflow_is_one(client: Client, tmp_path: Path) -> None:
    job = client.run(picture_prompt(color=5, prefix="first"))
    picture = client.download((job.outputs or [])[0], tmp_path)
    again = client.run(picture)
    assert again.state == "completed"
    assert [output.cached for output in again.outputs or []] == [True]


def test_the_stream_has_every_event_in_order(client: Client) -> None:
    job = client.submit(picture_prompt(color=11))
    events = list(client.stream(job.id))
    assert [event.number for event in events] == list(range(1, len(events) + 1))
    assert events[-1].kind == "completed"
    assert [event.number for event in client.stream(job.id, after=2)] == [event.number for event in events[2:]]
    assert list(client.stream(job.id, after=len(events))) == []


def test_a_connection_that_breaks_every_50_ms_loses_and_doubles_nothing(client: Client, breaking_url: str) -> None:
    job = client.submit(long_prompt(color=12))
    with Client(breaking_url) as fragile:
        numbers = [event.number for event in fragile.stream(job.id)]
    assert numbers == list(range(1, client.wait(job.id).last_event + 1))
    assert len(numbers) > 600


def test_the_same_key_gives_the_same_job(client: Client) -> None:
    first = client.submit(picture_prompt(), idempotency_key="once")
    assert client.submit(picture_prompt(), idempotency_key="once").id == first.id
    with pytest.raises(Refused, match="409"):
        client.submit(picture_prompt(color=1), idempotency_key="once")


def test_a_wrong_workflow_is_refused_with_all_its_problems(client: Client) -> None:
    workflow = picture_prompt()
    workflow["1"]["inputs"]["width"] = 0
    workflow["2"]["inputs"]["filename_prefix"] = ["1", 7]
    with pytest.raises(Refused) as refused:
        client.submit(workflow)
    assert refused.value.status == 422
    assert refused.value.problem is not None
    assert {problem.node_id for problem in refused.value.problem.problems or []} == {"1", "2"}
    verdict = client.check(workflow)
    assert not verdict.valid
    assert len(verdict.problems) == 2


def test_cancelled_and_failed_jobs_raise(client: Client) -> None:
    cancelled = client.submit(endless_prompt(1), priority=-5)
    assert client.cancel(cancelled.id).cancel_requested
    with pytest.raises(JobCancelled):
        client.wait(cancelled.id)
    broken = {**picture_prompt(), "3": {"class_type": "LoadImage", "inputs": {"image": "data:image/png;base64,AAAA"}}}
    broken["2"]["inputs"]["images"] = ["3", 0]
    with pytest.raises(JobFailed, match="node 3"):
        client.run(broken)


def test_waiting_ends_by_its_time_and_the_job_goes_on(client: Client) -> None:
    job = client.submit(endless_prompt(2))
    with pytest.raises(TimedOut, match="it goes on"):
        client.wait(job.id, timeout_s=0.01)
    assert client.job(job.id).state in ("queued", "running")


def test_jobs_are_listed_page_by_page(client: Client) -> None:
    submitted = [client.submit(picture_prompt(color=number)).id for number in range(5)]
    listed = client.jobs(limit=2)
    assert [next(listed).id for _ in submitted] == submitted[::-1]


def test_a_service_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dagfusion_client.requests.ATTEMPTS", 2)
    with closed_port() as port, Client(f"http://127.0.0.1:{port}", give_up_s=0.0) as client:
        with pytest.raises(Unreachable, match="does not answer"):
            client.job("x")
        with pytest.raises(Unreachable, match="has not answered"):
            list(client.stream("x"))


def test_a_job_that_is_not_there(client: Client) -> None:
    with pytest.raises(Refused, match="404"):
        client.job("nobody")
    with pytest.raises(Refused):
        list(client.stream("nobody"))


def test_the_asynchronous_client_does_the_same(service: Service, breaking_url: str, tmp_path: Path) -> None:
    async def use() -> tuple[list[int], Path, int]:
        async with AsyncClient(service.url) as client, AsyncClient(breaking_url) as fragile:
            job = await client.submit(long_prompt(color=13), previews=False)
            numbers = [event.number async for event in fragile.stream(job.id)]
            job = await client.wait(job.id, timeout_s=60)
            saved = await client.download((job.outputs or [])[0], tmp_path)
            newest = [one.id async for one in client.jobs(limit=1, state="completed")]
            assert job.id in newest
            with pytest.raises(Refused):
                await client.check({})
            return numbers, saved, job.last_event

    numbers, saved, last = asyncio.run(use())
    assert numbers == list(range(1, last + 1))
    with Image.open(saved) as picture:
        assert picture.size == (16, 16)
