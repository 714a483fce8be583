"""Node classes, models, statistics and memory over the native API."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.adapters.doors.http.serving import PICTURE, Web, serving
from tests.adapters.services import Service


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with serving(tmp_path_factory.mktemp("catalog")) as running:
        yield running


@pytest.fixture
def client(web: Web) -> Iterator[httpx.Client]:
    with web.client() as opened:
        yield opened


def test_node_classes_are_described(client: httpx.Client, web: Web) -> None:
    found = client.get("/v1/nodes").json()
    assert found.keys() == web.services.registry.keys()
    sampler = client.get("/v1/nodes/KSampler").json()
    assert found["KSampler"] == sampler
    assert "euler" in sampler["input"]["required"]["sampler_name"][0]
    assert sampler["output"] == ["LATENT"] and not sampler["output_node"]
    missing = client.get("/v1/nodes/KSamplr")
    assert missing.status_code == 404 and "'KSampler'" in missing.json()["remedy"]


def test_models_are_listed_by_kind(client: httpx.Client) -> None:
    found = client.get("/v1/models").json()
    assert [model["name"] for model in found["checkpoints"]] == ["tiny.safetensors"]
    assert found["checkpoints"][0]["size_bytes"] > 1_000_000
    assert client.get("/v1/models?kind=upscale_models").json().keys() == {"upscale_models"}
    assert client.get("/v1/models?kind=nothing").status_code == 404


def test_statistics_tell_of_queue_and_workers(client: httpx.Client, web: Web) -> None:
    job_id = client.post("/v1/jobs", json={"workflow": PICTURE}).json()["id"]
    stats = client.get("/v1/stats").json()
    assert stats["jobs"]["queued"] == 1 and stats["oldest_waiting_s"] >= 0 and stats["workers"] == []
    assert client.get("/ready").status_code == 503
    web.services.store.workers.register("w1", "here", 1, {})
    assert client.get("/ready").status_code == 503
    info = {"device": "cuda", "memory": {"vram_total_bytes": 8 * 2**30}, "models_bytes": 5, "cache": {"bytes": 7}}
    web.services.store.workers.beat("w1", "ready", info)
    ready = client.get("/ready").json()
    assert ready == {"ready": True, "workers_ready": 1, "workers_starting": 0, "faults": [], "unmet": []}
    assert client.get("/v1/stats").json()["workers"][0]["info"] == info
    memory = client.get("/memory-info").json()
    assert memory["ram"]["total_bytes"] > memory["ram"]["available_bytes"] > 0
    assert memory["workers"][0]["memory"]["vram_total_bytes"] == 8 * 2**30
    assert (memory["workers"][0]["models_bytes"], memory["workers"][0]["cache_bytes"]) == (5, 7)
    client.delete(f"/v1/jobs/{job_id}")


def test_a_real_worker_tells_of_itself(http: httpx.Client, service: Service) -> None:
    (worker,) = http.get("/v1/stats").json()["workers"]
    assert worker["state"] == "ready" and worker["info"]["device"] == "cpu"
    (memory,) = http.get("/memory-info").json()["workers"]
    assert memory["memory"]["process_bytes"] > 2**20
    assert http.get("/ready").json()["ready"]
