"""What the panels of ComfyUI's own front end ask for, and ``/api/jobs``."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.adapters.services import Service, picture_prompt, running, until

WAITS = {"1": {"class_type": "Wait", "inputs": {"tenths": 600, "mark": ""}}}
FAILS = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "broken.png"}},
    "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
}
NODES = Path(__file__).parents[3] / "run" / "worker" / "nodes"
TOKENS = "one:submit+read,two:submit+read"


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service of the module's own."""
    folder = tmp_path_factory.mktemp("panels")
    with running(folder, nodes=str(NODES), frontend=str(front_end(folder / "front"))) as service:
        (Path(service.settings["input"]) / "broken.png").write_bytes(b"no picture")
        yield service


def front_end(folder: Path) -> Path:
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<title>front end</title>")
    (folder / "assets" / "a.js").write_text("1")
    return folder


@pytest.fixture
def http(alone: Service) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=alone.url, timeout=60) as client:
        yield client


def submit(http: httpx.Client, prompt: dict[str, Any], **extra: Any) -> str:
    return str(http.post("/prompt", json={"prompt": prompt, "extra_data": extra}).json()["prompt_id"])


def ended(http: httpx.Client, job_id: str) -> dict[str, Any]:
    until(lambda: http.get(f"/api/jobs/{job_id}").json()["status"] in ("completed", "failed", "cancelled"))
    job: dict[str, Any] = http.get(f"/api/jobs/{job_id}").json()
    return job


def test_a_job_is_told_with_what_it_made_and_its_workflow(http: httpx.Client) -> None:
    workflow = {"id": "my-flow", "nodes": []}
    job = ended(http, submit(http, picture_prompt(1), extra_pnginfo={"workflow": workflow}))
    assert (job["status"], job["workflow_id"], job["outputs_count"]) == ("completed", "my-flow", 1)
    assert job["preview_output"].items() >= {"type": "output", "mediaType": "images"}.items()
    assert http.get("/view", params=job["preview_output"]).status_code == 200
    assert job["create_time"] <= job["execution_start_time"] <= job["execution_end_time"]
    assert job["workflow"]["prompt"] == picture_prompt(1)
    assert job["workflow"]["extra_data"]["extra_pnginfo"]["workflow"] == workflow
    assert job["execution_status"]["completed"] is True
    (listed,) = http.get("/api/jobs", params={"workflow_id": "my-flow"}).json()["jobs"]
    assert listed == {
        name: value for name, value in job.items() if name not in ("outputs", "execution_status", "workflow")
    }


def test_one_that_failed_says_why(http: httpx.Client) -> None:
    job = ended(http, submit(http, FAILS))
    assert (job["status"], job["outputs_count"]) == ("failed", 0)
    assert job["execution_error"]["node_id"] == "1"
    assert "preview_output" not in job


def test_jobs_are_listed_by_page_and_cancelled_whatever_their_state(alone: Service, http: httpx.Client) -> None:
    now = submit(http, WAITS)
    until(lambda: "node_started" in alone.kinds(now))
    later = [submit(http, picture_prompt(seed)) for seed in (11, 12)]
    waiting = http.get("/api/jobs", params={"status": "pending,in_progress"}).json()
    assert [(job["id"], job["status"]) for job in waiting["jobs"]] == [
        *((each, "pending") for each in reversed(later)),
        (now, "in_progress"),
    ]
    page = http.get("/api/jobs?status=pending,in_progress&limit=1&offset=1&sort_order=asc").json()
    assert [job["id"] for job in page["jobs"]] == later[:1]
    assert page["pagination"] == {"offset": 1, "limit": 1, "total": 3, "has_more": True}
    assert http.post("/api/jobs/cancel", json={"job_ids": later}).json() == {"cancelled": True}
    assert http.post(f"/api/jobs/{now}/cancel").json() == {"cancelled": True}
    assert ended(http, now)["status"] == "cancelled"
    for known in (now, str(uuid.uuid4())):
        assert http.post(f"/api/jobs/{known}/cancel").json() == {"cancelled": False}
    assert http.post("/api/jobs/cancel", json={"job_ids": [now]}).json() == {"cancelled": False}


@pytest.mark.parametrize(
    "query", ["status=gone", "limit=0", "limit=x", "offset=x", "sort_by=name", "sort_order=up", "limit=-3"]
)
def test_wrong_questions_about_jobs_are_refused(http: httpx.Client, query: str) -> None:
    reply = http.get(f"/api/jobs?{query}")
    assert reply.status_code == 400
    assert reply.json()["error"]


def test_unknown_jobs_and_wrong_ids(http: httpx.Client) -> None:
    assert http.get(f"/api/jobs/{uuid.uuid4()}").status_code == 404
    for body in ({}, {"job_ids": "x"}, {"job_ids": [{}]}):
        assert http.post("/api/jobs/cancel", json=body).status_code == 400


def test_models_are_listed_with_size_and_picture_and_no_path_of_the_server(alone: Service, http: httpx.Client) -> None:
    kinds = {each["name"]: each["folders"] for each in http.get("/api/experiment/models").json()}
    assert kinds["checkpoints"] == ["models/checkpoints"]
    assert http.get("/internal/folder_paths").json()["loras"] == ["models/loras"]
    files = http.get("/api/experiment/models/checkpoints").json()
    assert all(file["size"] > 0 and file["pathIndex"] >= 0 for file in files)
    assert [file["name"] for file in files] == http.get("/models/checkpoints").json()
    assert http.get("/api/experiment/models/nothing").status_code == 404
    assert http.get("/api/experiment/models/preview/checkpoints/0/none.safetensors").status_code == 404
    assert str(alone.folder) not in str([http.get(path).text for path in ("/api/experiment/models", "/api/jobs")])


def test_files_are_listed_the_newest_first(alone: Service, http: httpx.Client) -> None:
    folder = Path(alone.settings["input"])
    for age, name in enumerate(("c.png", "b.png", ".hidden")):
        (folder / name).write_bytes(b"1")
        os.utime(folder / name, (10**9 - age, 10**9 - age))
    names = http.get("/internal/files/input").json()
    assert names[-2:] == ["c.png [input]", "b.png [input]"]
    assert http.get("/internal/files/models").status_code == 400


def test_what_there_is_none_of_is_told_as_empty(http: httpx.Client) -> None:
    for path in ("/api/i18n", "/api/workflow_templates", "/api/global_subgraphs", "/api/node_replacements"):
        assert http.get(path).json() == {}
    assert http.get("/api/global_subgraphs/x").status_code == 404
    for path in ("/api/assets", "/api/assets/hash/x", "/api/tags"):
        reply = http.get(path)
        assert (reply.status_code, reply.json()["error"]["code"]) == (503, "SERVICE_DISABLED")
    assert isinstance(http.get("/templates/index.json").json(), list)
    assert http.get("/templates/../../etc/passwd").status_code == 404


def test_logs_users_and_options(http: httpx.Client) -> None:
    raw = http.get("/internal/logs/raw").json()
    assert raw["size"].keys() == {"cols", "rows"}
    assert all(entry.keys() == {"t", "m"} for entry in raw["entries"])
    assert isinstance(http.get("/internal/logs").json(), str)
    for wish, status in (
        ({"clientId": "x", "enabled": True}, 200),
        ({"clientId": "x"}, 422),
        ({"enabled": False}, 422),
    ):
        assert http.patch("/internal/logs/subscribe", json=wish).status_code == status
    assert http.post("/users", json={"username": "x"}).status_code == 200
    for path in ("/prompt", "/api/jobs", "/nowhere"):
        assert http.options(path).status_code == 200


def test_all_that_a_user_keeps_is_listed(http: httpx.Client) -> None:
    http.post("/userdata/v2%2Fsub%2Ftwo.json", content=b"22")
    listed = http.get("/api/v2/userdata", params={"path": "v2"}).json()
    assert [(each["type"], each["path"]) for each in listed] == [("directory", "v2/sub"), ("file", "v2/sub/two.json")]
    assert listed[1]["size"] == 2
    assert http.get("/api/v2/userdata?path=nowhere").status_code == 404
    assert http.get("/api/v2/userdata?path=../x").status_code == 422
    told = http.get("/userdata?dir=v2/sub&full_info=true").json()[0]
    assert told["modified"] > 10**12


def test_the_front_end_is_served_where_it_is_asked_for(http: httpx.Client) -> None:
    assert "front end" in http.get("/").text
    assert http.get("/assets/a.js").text == "1"
    assert http.get("/assets/none.js").status_code == 404
    assert "dagfusion" in http.get("/page").text
    assert http.get("/v1/jobs").status_code == 200
    assert http.get("/system_stats").json()["system"]["required_frontend_version"]
