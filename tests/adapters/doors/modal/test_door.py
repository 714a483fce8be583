"""API and GPU container, each with its own mount of the volume: a job goes in over HTTP, a picture comes out."""

from __future__ import annotations

import base64
import io
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from adapters.doors.modal.api import open_api
from adapters.doors.modal.archive import numbered
from adapters.doors.modal.container import GpuContainer
from adapters.doors.modal.places import MountedPaths
from adapters.doors.modal.settings import ModalSettings
from tests.adapters.doors.http.serving import Web, serving_app
from tests.adapters.doors.modal.cloud import Cloud
from tests.adapters.doors.modal.volumes import FolderVolume
from tests.adapters.services import picture_prompt, until

KEY = "operator-key"
TROUBLE = Path(__file__).parents[2] / "run" / "worker" / "nodes"


@dataclass
class Door:
    """Both containers, running."""

    web: Web
    cloud: Cloud
    gpu_volume: FolderVolume
    api_volume: FolderVolume
    api_places: MountedPaths

    def client(self) -> httpx.Client:
        return self.web.client(headers={"Authorization": f"Bearer {KEY}"})


def api_of(places: MountedPaths, volume: FolderVolume, cloud: Cloud) -> Any:
    modal = ModalSettings(concurrency=2, max_containers=1)
    return open_api(places, modal, volume, cloud.send, cloud.cancel)


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    folder = tmp_path_factory.mktemp("modal")
    (folder / "models").mkdir()
    api, gpu = (
        MountedPaths(models=folder / "models", jobs=folder / name / "jobs", local=folder / name / "local")
        for name in ("api", "gpu")
    )
    api_volume, gpu_volume = (FolderVolume(one.jobs, folder / "cloud") for one in (api, gpu))
    (folder / "nodes").mkdir()
    (folder / "nodes" / "0").symlink_to(TROUBLE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGFUSION_API_KEYS", KEY)
        patch.setattr("adapters.doors.modal.places.NODES", folder / "nodes")
        container = GpuContainer(gpu, gpu.settings(device="cpu"), gpu_volume, pulse_s=0.05)
        container.load()
        container.resume()
        assert container.start.failure is None
        cloud = Cloud(container.run)
        with serving_app(api_of(api, api_volume, cloud), folder, api.settings()) as web:
            yield Door(web, cloud, gpu_volume, api_volume, api)
    container.close()
    cloud.close()


def ended(http: httpx.Client, job_id: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        job: dict[str, Any] = http.get(f"/v1/jobs/{job_id}").json()
        return job if job["state"] in ("completed", "failed", "cancelled") else None

    return until(look) or {}


def test_without_a_key_nobody_comes_in(door: Door) -> None:
    with door.web.client() as http:
        assert http.post("/v1/jobs", json={"workflow": picture_prompt()}).status_code == 401
        until(lambda: http.get("/ready").json()["workers_ready"] == 1)


def test_a_picture_comes_back_with_its_progress(door: Door) -> None:
    with door.client() as http:
        sent = http.post("/v1/jobs", json={"workflow": picture_prompt(0x00FF00)})
        assert sent.status_code == 202, sent.text
        job = ended(http, sent.json()["id"])
        assert job["state"] == "completed" and job["progress"]["fraction"] == 1.0
        (output,) = job["outputs"]
        picture = http.get(f"/v1/jobs/{job['id']}/outputs/{output['name']}")
        assert Image.open(io.BytesIO(picture.content)).getpixel((3, 3)) == (0, 255, 0)
    assert door.gpu_volume.commits >= 1 and door.api_volume.reloads >= 1
    assert until(lambda: numbered(door.api_places.jobs / "queue"))


def test_files_of_a_job_reach_the_gpu_container(door: Door) -> None:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), "blue").save(file, "PNG")
    prompt = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "in.png"}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "copy"}},
    }
    with door.client() as http:
        body = {"workflow": prompt, "files": {"in.png": base64.b64encode(file.getvalue()).decode()}}
        sent = http.post("/v1/jobs", json=body)
        assert sent.status_code == 202, sent.text
        job = ended(http, sent.json()["id"])
        assert job["state"] == "completed", job
        (output,) = job["outputs"]
        picture = http.get(f"/v1/jobs/{job['id']}/outputs/{output['name']}")
        assert Image.open(io.BytesIO(picture.content)).getpixel((3, 3)) == (0, 0, 255)


def test_cancelling_cancels_the_call(door: Door) -> None:
    with door.client() as http:
        prompt = {"1": {"class_type": "Wait", "inputs": {"tenths": 600, "mark": ""}}}
        job_id = http.post("/v1/jobs", json={"workflow": prompt}).json()["id"]
        until(lambda: (http.get(f"/v1/jobs/{job_id}").json()["progress"] or {}).get("node_id") == "1")
        before = len(door.cloud.cancelled)
        http.delete(f"/v1/jobs/{job_id}")
        assert ended(http, job_id)["state"] == "cancelled"
        until(lambda: len(door.cloud.cancelled) == before + 1)


def test_a_node_that_fails_is_told_as_everywhere(door: Door) -> None:
    with door.client() as http:
        prompt = {"1": {"class_type": "Hog", "inputs": {"seed": 1}}}
        job = ended(http, http.post("/v1/jobs", json={"workflow": prompt}).json()["id"])
        assert (job["state"], job["error"]["type"], job["error"]["node_id"]) == ("failed", "OutOfMemory", "1")


def test_an_api_whose_volume_is_read_only_says_so_to_everybody(door: Door, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    places = MountedPaths(models=tmp_path, jobs=tmp_path / "file", local=tmp_path / "local")
    volume = FolderVolume(tmp_path / "mount", tmp_path / "cloud")
    app = api_of(places, volume, door.cloud)
    with serving_app(app, tmp_path, places.settings(blobs=str(tmp_path / "blobs"))) as web, web.client() as http:
        reply = http.get("/v1/jobs")
    assert (reply.status_code, reply.headers["content-type"]) == (503, "application/problem+json")
    assert "cannot be written to" in reply.json()["detail"] and reply.json()["type"].endswith("volume-unavailable")


def states_in(copy: Path) -> dict[str, str]:
    with closing(sqlite3.connect(copy)) as connection:
        return dict(connection.execute("SELECT id, state FROM jobs").fetchall())


def test_a_new_api_container_takes_over_the_queue(door: Door, tmp_path: Path) -> None:
    """What the first one wrote last is there in the second one, which began with an empty disk."""
    with door.client() as http:
        job_id = http.post("/v1/jobs", json={"workflow": picture_prompt(7)}).json()["id"]
        ended(http, job_id)
    kept = door.api_volume.cloud / "queue"
    until(lambda: states_in(numbered(kept)[-1][1]).get(job_id) == "completed")
    shutil.copytree(kept, tmp_path / "jobs" / "queue")
    (tmp_path / "models").mkdir()
    places = MountedPaths(models=tmp_path / "models", jobs=tmp_path / "jobs", local=tmp_path / "local")
    app = api_of(places, FolderVolume(places.jobs, tmp_path / "cloud"), door.cloud)
    with serving_app(app, tmp_path, places.settings()) as web, web.client(headers={"X-API-Key": KEY}) as http:
        assert http.get(f"/v1/jobs/{job_id}").json()["state"] == "completed"
