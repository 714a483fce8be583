"""Jobs over the native API: submitted in every form, checked first, looked up, listed, cancelled, run."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapters.doors.http.native.job_documents import job_summary
from adapters.service.store.records import NewEvent
from tests.adapters.doors.http.serving import PICTURE, Web, serving
from tests.adapters.services import Service

GRAPHS = Path(__file__).parents[5] / "graphs"
PNG = (GRAPHS / "input" / "example.png").read_bytes()
READS_FILE: dict[str, Any] = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "photo.png"}, "_meta": {"title": "Photo"}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "photo"}},
}
UI_FORM: dict[str, Any] = {
    "nodes": [
        {
            "id": 1,
            "type": "EmptyImage",
            "inputs": [],
            "outputs": [{"name": "IMAGE", "type": "IMAGE", "links": [1]}],
            "widgets_values": [16, 16, 1, 255],
        },
        {
            "id": 2,
            "type": "SaveImage",
            "inputs": [{"name": "images", "type": "IMAGE", "link": 1}],
            "outputs": [],
            "widgets_values": ["ui"],
        },
    ],
    "links": [[1, 1, 0, 2, 0, "IMAGE"]],
    "version": 0.4,
}


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with serving(tmp_path_factory.mktemp("jobs"), time_limit_s=100, max_attempts=2) as running:
        yield running


@pytest.fixture
def client(web: Web) -> Iterator[httpx.Client]:
    """Leaves an empty queue behind."""
    with web.client() as opened:
        yield opened
        for job in opened.get("/v1/jobs?state=queued&state=running&limit=500").json()["jobs"]:
            opened.delete(f"/v1/jobs/{job['id']}")
            if job["state"] == "running":
                web.services.store.leases.take_back("tester", {"type": "WorkerLost", "message": "", "remedy": ""})


def test_a_job_is_accepted_and_can_be_looked_up(client: httpx.Client) -> None:
    reply = client.post("/v1/jobs", json={"workflow": PICTURE, "priority": 3, "time_limit_s": 50, "max_attempts": 1})
    assert reply.status_code == 202
    job = reply.json()
    assert reply.headers["location"] == f"/v1/jobs/{job['id']}"
    assert client.get(reply.headers["location"]).json() == job
    assert (job["state"], job["queue_place"], job["priority"]) == ("queued", 1, 3)
    assert (job["time_limit_s"], job["max_attempts"], job["last_event"]) == (50, 1, 1)
    assert datetime.fromisoformat(job["created_at"]) > datetime.now(UTC) - timedelta(minutes=1)
    assert job["outputs"] is None and job["error"] is None


@pytest.mark.parametrize(
    "body",
    [
        {"workflow": PICTURE},
        {"workflow": {"prompt": PICTURE, "extra_data": {"extra_pnginfo": {"workflow": {"nodes": [], "links": []}}}}},
        {"workflow": UI_FORM},
        {"workflow": {"input": {"workflow": PICTURE}}},
        PICTURE,
        UI_FORM,
        {"prompt": PICTURE, "client_id": "x"},
        {"input": {"workflow": PICTURE, "images": []}},
        {"prompt": PICTURE, "workflow": UI_FORM},
        {
            "workflow": PICTURE["1"],
            "2": {**PICTURE["2"], "inputs": {"images": ["workflow", 0], "filename_prefix": "x"}},
        },
    ],
    ids=["api", "with-extra", "ui", "wrapped", "bare-api", "bare-ui", "as-prompt", "as-runpod", "as-png", "named-so"],
)
def test_a_workflow_is_taken_in_every_form(web: Web, client: httpx.Client, body: dict[str, Any]) -> None:
    reply = client.post("/v1/jobs", json=body)
    assert reply.status_code == 202, reply.text
    job = web.services.store.jobs.get(reply.json()["id"])
    assert job is not None
    assert {node["class_type"] for node in job.prompt.values()} == {"EmptyImage", "SaveImage"}


def test_everything_wrong_is_told_before_anything_is_queued(client: httpx.Client) -> None:
    wrong = {
        "1": {"class_type": "EmptyImag", "inputs": {}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["9", 0], "filename_prefix": "x"}},
        "3": {"class_type": "EmptyImage", "inputs": {"width": -4, "height": 16, "batch_size": 1, "color": "blue"}},
        "4": {"class_type": "PreviewImage", "inputs": {"images": ["3", 0]}},
    }
    reply = client.post("/v1/jobs", json={"workflow": wrong})
    assert reply.status_code == 422
    assert reply.headers["content-type"] == "application/problem+json"
    found = {(one["node_id"], one["code"]) for one in reply.json()["problems"]}
    assert ("1", "missing_node_type") in found
    assert ("3", "value_smaller_than_min") in found and ("3", "invalid_input_type") in found
    assert any(node == "2" for node, _ in found)
    assert all(one["message"] for one in reply.json()["problems"])
    assert client.get("/v1/jobs?state=queued").json()["jobs"] == []


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"priority": "high"}, "priority"),
        ({"priority": 10**30}, "priority"),
        ({"time_limit_s": 101}, "time_limit_s"),
        ({"time_limit_s": -1}, "time_limit_s"),
        ({"max_attempts": 3}, "max_attempts"),
        ({"output": {"format": "bmp"}}, "output.format"),
        ({"output": {"quality": 0}}, "output.quality"),
        ({"webhook": {"url": "https://x.example", "events": ["started"]}}, "webhook.events.0"),
        ({"webhook": {}}, "webhook.url"),
        ({"targets": []}, "targets"),
        ({"overides": {}}, "overides"),
        ({"idempotency_key": "a\nb"}, "idempotency_key"),
        ({"files": ["x"]}, "files"),
    ],
)
def test_fields_that_make_no_sense_are_named(client: httpx.Client, more: dict[str, Any], field: str) -> None:
    for body in ({"workflow": PICTURE, "priority": 0, **more}, {"workflow": PICTURE, **more}):
        reply = client.post("/v1/jobs", json=body)
        assert reply.status_code == 422, reply.text
        assert field in [one["input"] for one in reply.json()["problems"]]


def test_a_field_that_there_is_not_is_told_with_the_nearest_one(client: httpx.Client) -> None:
    (problem,) = client.post("/v1/jobs", json={"workflow": PICTURE, "override": {}}).json()["problems"]
    assert problem["message"] == "there is no such field; did you mean 'overrides'?"
    (problem,) = client.post("/v1/jobs", json={"workflow": PICTURE, "client_id": "x"}).json()["problems"]
    assert (problem["input"], problem["message"]) == ("client_id", "there is no such field")
    (problem,) = client.post("/v1/generate", json={"prompt": "a", "step": 3}).json()["problems"]
    assert (problem["input"], problem["message"]) == ("body.step", "there is no such field")


def test_files_that_no_input_names_are_told_in_the_notes(client: httpx.Client) -> None:
    data = base64.b64encode(PNG).decode()
    job = client.post("/v1/jobs", json={"workflow": PICTURE, "files": {"foto.png": data}}).json()
    assert job["notes"] == ["file 'foto.png' came along, but no input names it"]


def test_inputs_are_overridden_with_values_as_json_has_them(web: Web, client: httpx.Client) -> None:
    overrides = {"EmptyImage.width": 32, "2.filename_prefix": "7", "1.color": "0"}
    reply = client.post("/v1/jobs", json={"workflow": PICTURE, "overrides": overrides})
    assert reply.status_code == 202
    job = web.services.store.jobs.get(reply.json()["id"])
    assert job is not None
    assert job.prompt["1"]["inputs"]["width"] == 32 and job.prompt["1"]["inputs"]["color"] == "0"
    assert job.prompt["2"]["inputs"]["filename_prefix"] == "7"
    wrong = client.post("/v1/jobs", json={"workflow": PICTURE, "overrides": {"KSampler.steps": 3, "1.widht": 4}})
    assert wrong.status_code == 422
    assert [one["code"] for one in wrong.json()["problems"]] == ["invalid_override"] * 2
    assert "'width'" in wrong.text


def test_targets_choose_output_nodes(web: Web, client: httpx.Client) -> None:
    two = PICTURE | {"3": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}}
    reply = client.post("/v1/jobs", json={"workflow": two, "targets": ["PreviewImage"]})
    job = web.services.store.jobs.get(reply.json()["id"])
    assert job is not None and job.targets == ("3",)
    assert client.post("/v1/jobs", json={"workflow": two, "targets": ["Nothing"]}).status_code == 422


def test_one_key_makes_one_job(client: httpx.Client) -> None:
    body = {"workflow": PICTURE, "idempotency_key": "order-1"}
    first = client.post("/v1/jobs", json=body)
    again = client.post("/v1/jobs", json=body)
    by_header = client.post("/v1/jobs", json={"workflow": PICTURE}, headers={"Idempotency-Key": "order-1"})
    assert first.json()["id"] == again.json()["id"] == by_header.json()["id"]
    assert "idempotent-replayed" not in first.headers and again.headers["idempotent-replayed"] == "true"
    other = client.post("/v1/jobs", json={**body, "overrides": {"1.width": 32}})
    assert other.status_code == 409
    assert other.json()["type"].endswith("idempotency-conflict")


def test_cancelling_hits_that_job_alone(web: Web, client: httpx.Client) -> None:
    ids = [client.post("/v1/jobs", json={"workflow": PICTURE}).json()["id"] for _ in range(3)]
    lease = web.claim()
    assert lease.job_id == ids[0]
    waiting = client.delete(f"/v1/jobs/{ids[2]}").json()
    assert waiting["state"] == "cancelled" and waiting["finished_at"]
    running = client.delete(f"/v1/jobs/{ids[0]}").json()
    assert (running["state"], running["cancel_requested"]) == ("running", True)
    assert web.services.store.leases.cancel_requested(lease)
    web.services.store.leases.cancelled(lease)
    assert [client.get(f"/v1/jobs/{job_id}").json()["state"] for job_id in ids] == ["cancelled", "queued", "cancelled"]
    assert client.delete(f"/v1/jobs/{ids[0]}").json()["state"] == "cancelled"
    stopped = web.services.store.jobs.get(ids[2])
    assert stopped is not None
    said_last = {"done": 1, "total": 3, "fraction": 0.4, "eta_s": 59.0}
    progress = job_summary(replace(stopped, progress=said_last)).progress
    assert progress is not None and (progress.fraction, progress.eta_s) == (0.4, 0.0)
    assert client.delete("/v1/jobs/nothing").status_code == 404


def test_the_place_in_the_queue_goes_by_priority_then_age(client: httpx.Client) -> None:
    ids = [client.post("/v1/jobs", json={"workflow": PICTURE, "priority": p}).json()["id"] for p in (0, 0, 5, -1)]
    places = [client.get(f"/v1/jobs/{job_id}").json()["queue_place"] for job_id in ids]
    listed = {job["id"]: job["queue_place"] for job in client.get("/v1/jobs?limit=500").json()["jobs"]}
    assert [listed[job_id] for job_id in ids] == places
    assert places == [2, 3, 1, 4]


def test_jobs_are_listed_in_pages_and_by_filters(client: httpx.Client, web: Web) -> None:
    started = datetime.now(UTC)
    ids = [client.post("/v1/jobs", json={"workflow": PICTURE}).json()["id"] for _ in range(5)]
    client.delete(f"/v1/jobs/{ids[1]}")
    after = {"created_after": started.isoformat()}
    pages: list[str] = []
    cursor: dict[str, Any] = {}
    while True:
        page = client.get("/v1/jobs", params={"limit": 2, **cursor, **after}).json()
        pages += [job["id"] for job in page["jobs"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert pages == ids[::-1]
    queued = client.get("/v1/jobs", params={"state": ["queued", "running"], **after}).json()["jobs"]
    assert [job["id"] for job in queued] == [ids[4], ids[3], ids[2], ids[0]]
    assert client.get("/v1/jobs", params={"created_before": "2020-01-01T00:00:00Z"}).json()["jobs"] == []
    assert client.get("/v1/jobs", params={"source": "comfy", **after}).json()["jobs"] == []
    for wrong in ({"limit": 0}, {"state": "lost"}, {"cursor": -1}, {"cursor": 2**63}, {"created_after": "soon"}):
        assert client.get("/v1/jobs", params=wrong).status_code == 422


def test_progress_and_errors_are_shown(web: Web, client: httpx.Client) -> None:
    job_id = client.post("/v1/jobs", json={"workflow": PICTURE}).json()["id"]
    lease = web.claim()
    progress = {"done": 1, "total": 2, "fraction": 0.5, "eta_s": 3.5, "node_id": "2", "class_type": "SaveImage"}
    started = NewEvent("node_started", {"node_id": "2", "class_type": "SaveImage", "display_id": "2"})
    web.services.store.leases.record(lease, [started], progress)
    shown = client.get(f"/v1/jobs/{job_id}").json()["progress"]
    assert (shown["fraction"], shown["eta_s"], shown["class_type"]) == (0.5, 3.5, "SaveImage")
    error = {"type": "OutOfMemory", "message": "no room", "remedy": "smaller", "node_id": "2", "inputs": {"a": "1"}}
    web.services.store.leases.fail(lease, error)
    failed = client.get(f"/v1/jobs/{job_id}").json()
    assert failed["state"] == "failed" and failed["outputs"] == []
    assert {name: failed["error"][name] for name in error} == error


def test_waiting_ends_with_the_job_or_in_time(web: Web, client: httpx.Client) -> None:
    reply = client.post("/v1/jobs?wait=0.2", json={"workflow": PICTURE})
    assert reply.status_code == 202 and reply.json()["state"] == "queued"
    job_id = reply.json()["id"]
    web.complete(web.claim())
    done = client.get(f"/v1/jobs/{job_id}?wait=30")
    assert done.json()["state"] == "completed"
    assert client.post("/v1/jobs?wait=-1", json={"workflow": PICTURE}).status_code == 422
    assert client.post("/v1/jobs?wait=1e9", json={"workflow": PICTURE}).status_code == 422


def test_a_job_runs_and_its_output_comes_back(http: httpx.Client, service: Service) -> None:
    body = {
        "workflow": READS_FILE,
        "files": {"photo.png": base64.b64encode(PNG).decode()},
        "output": {"format": "webp", "delivery": "inline"},
    }
    reply = http.post("/v1/jobs?wait=30", json=body)
    assert reply.status_code == 200, reply.text
    job = reply.json()
    assert job["state"] == "completed" and job["progress"]["fraction"] == 1
    (output,) = job["outputs"]
    assert (output["name"], output["media_type"], output["kind"]) == ("2_images_0.png", "image/webp", "images")
    assert output["filename"].endswith(".webp")
    assert base64.b64decode(output["base64"])[8:12] == b"WEBP"
    assert http.get(output["url"]).content == base64.b64decode(output["base64"])
    # What was cached comes back as well.
    again = http.post("/v1/jobs?wait=30", json=body).json()
    assert again["outputs"][0]["node_id"] == "2"


def test_a_failing_node_is_named(http: httpx.Client, service: Service) -> None:
    workflow = {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 16, "height": 16, "batch_size": 1, "color": 0}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": ["3", 0]}},
        "3": {"class_type": "StringConcatenate", "inputs": {"string_a": "..", "string_b": "out", "delimiter": "/"}},
    }
    job = http.post("/v1/jobs?wait=30", json={"workflow": workflow}).json()
    assert job["state"] == "failed"
    assert (job["error"]["node_id"], job["error"]["class_type"]) == ("2", "SaveImage")
    assert "leaves the output folder" in job["error"]["message"]
    assert http.post("/v1/jobs?wait=30", json={"workflow": PICTURE}).json()["state"] == "completed"


def test_the_same_key_with_another_webhook_is_another_request(tmp_path: Path) -> None:
    with serving(tmp_path, allowed_hosts=["127.0.0.1"]) as own, own.client() as client:

        def submit(webhook: dict[str, Any] | None) -> int:
            body = {"workflow": PICTURE, "idempotency_key": "k", "webhook": webhook}
            return client.post("/v1/jobs", json=body).status_code

        first = {"url": "http://127.0.0.1:9/a"}
        secret = "whsec_" + base64.b64encode(b"x" * 24).decode()
        assert submit(first) == 202
        assert submit(first) == 202  # the secret that is made for it is another one, and does not count
        assert submit({**first, "events": ["failed", "completed", "cancelled"]}) == 202
        for other in (
            None,
            {"url": "http://127.0.0.1:9/b"},
            {**first, "events": ["failed"]},
            {**first, "secret": secret},
        ):
            assert submit(other) == 409, other


def test_a_time_without_a_zone_is_utc(web: Web, client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        job_id = client.post("/v1/jobs", json={"workflow": PICTURE}).json()["id"]
        hour = timedelta(hours=1)
        before, after = (datetime.now(UTC) - hour).replace(tzinfo=None), (datetime.now(UTC) + hour).replace(tzinfo=None)

        def listed(**query: str) -> bool:
            return job_id in [job["id"] for job in client.get("/v1/jobs", params=query).json()["jobs"]]

        assert listed(created_after=before.isoformat()) and listed(created_before=after.isoformat())
        assert not listed(created_after=after.isoformat()) and not listed(created_before=before.isoformat())
    finally:
        monkeypatch.undo()
        time.tzset()
