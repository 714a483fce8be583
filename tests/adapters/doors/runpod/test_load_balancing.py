"""The service as a load-balancing worker of RunPod: ports that it is told, /ping, progress, and shedding of load."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import websockets.sync.client as websockets

from adapters.host.settings import read_settings
from engine.errors import DagfusionError
from tests.adapters.doors.runpod.conftest import NODES
from tests.adapters.services import START_S, Service, free_ports, picture_prompt, running, until


def waiting(tenths: int, mark: str) -> dict[str, Any]:
    return {"1": {"class_type": "Wait", "inputs": {"tenths": tenths, "mark": mark}}}


@pytest.fixture(scope="module")
def pings() -> list[int]:
    """What /ping said until it said 200, on the port for health."""
    return []


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory, pings: list[int]) -> Iterator[Service]:
    """``dagfusion serve`` with the variables that RunPod sets, and a queue of one."""
    port, health = free_ports(2)
    folder = tmp_path_factory.mktemp("balanced")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PORT", str(port))
        patch.setenv("PORT_HEALTH", str(health))
        with running(folder, "serve", ready=False, queue_limit="1", nodes=str(NODES), concurrency="1") as service:
            patch.undo()
            assert service.url == f"http://127.0.0.1:{port}"
            until(lambda: _ping(f"http://127.0.0.1:{health}/ping", pings) == 200, START_S)
            yield service


def _ping(url: str, statuses: list[int]) -> int:
    try:
        statuses.append(httpx.get(url, timeout=30).status_code)
    except httpx.HTTPError:
        return 0
    return statuses[-1]


def test_ping_says_204_while_it_starts_and_200_when_it_is_ready(worker: Service, pings: list[int]) -> None:
    assert pings[0] == 204
    assert sorted(set(pings)) == [200, 204]
    reply = httpx.get(f"{worker.url}/ping", timeout=30)
    assert (reply.status_code, reply.json()["ready"]) == (200, True)


def test_the_full_api_tells_of_progress_over_a_socket(worker: Service) -> None:
    job = httpx.post(f"{worker.url}/v1/jobs", json={"workflow": waiting(4, "told")}, timeout=30).json()
    address = worker.url.replace("http", "ws") + f"/v1/jobs/{job['id']}/ws"
    with websockets.connect(address) as connection:
        events = [json.loads(message) for message in connection if isinstance(message, str)]
    kinds = [event["kind"] for event in events]
    assert kinds[0] == "queued" and kinds[-1] == "completed" and "node_progress" in kinds


def test_what_is_too_much_is_refused_at_once_and_taken_later(worker: Service) -> None:
    with httpx.Client(base_url=worker.url, timeout=30) as client:
        long = client.post("/v1/jobs", json={"workflow": waiting(600, "long")}).json()
        until(lambda: worker.job(long["id"]).state == "running")
        waits = client.post("/v1/jobs", json={"workflow": picture_prompt(1)})
        assert waits.status_code == 202
        for path, body in (("/v1/jobs", {"workflow": picture_prompt(2)}), ("/prompt", {"prompt": picture_prompt(2)})):
            refused = client.post(path, json=body)
            assert refused.status_code in (429, 503), refused.text
            assert int(refused.headers["retry-after"]) > 0
        assert client.get("/ping").status_code == 200  # busy, but well
        client.delete(f"/v1/jobs/{long['id']}")
        assert worker.ended(waits.json()["id"]).state == "completed"
        assert client.post("/v1/jobs?wait=60", json={"workflow": picture_prompt(2)}).json()["state"] == "completed"


def test_own_settings_win_over_the_platforms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGFUSION_PORT", raising=False)
    monkeypatch.delenv("PORT", raising=False)
    assert (read_settings({}).port, read_settings({}).port_health) == (8188, None)
    monkeypatch.setenv("PORT", "81")
    monkeypatch.setenv("PORT_HEALTH", "82")
    assert (read_settings({}).port, read_settings({}).port_health) == (81, 82)
    monkeypatch.setenv("DAGFUSION_PORT", "83")
    assert read_settings({}).port == 83
    assert read_settings({"port": 84}).port == 84


def test_a_port_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGFUSION_PORT", raising=False)
    monkeypatch.setenv("PORT", "http")
    with pytest.raises(DagfusionError, match="port"):
        read_settings({})
