"""What a key may use, over HTTP: priorities, and how many jobs wait."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.adapters.doors.http.serving import PICTURE, Web, serving

OPERATOR = "the-operators-key"


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with serving(tmp_path_factory.mktemp("limits"), api_keys=OPERATOR, queue_limit=100) as found:
        yield found


def made(web: Web, **limits: Any) -> httpx.Client:
    with web.client(headers={"X-API-Key": OPERATOR}) as http:
        reply = http.post("/v1/keys", json={"name": "ann", **limits})
        assert reply.status_code == 201, reply.text
        assert {name: reply.json()[name] for name in limits} == limits
    return web.client(headers={"X-API-Key": reply.json()["key"]})


@pytest.mark.parametrize(
    ("limits", "most"), [({}, 0), ({"max_priority": 7}, 7), ({"max_priority": -3}, -3), ({"scopes": ["admin"]}, 1000)]
)
def test_priority_goes_up_to_what_the_key_may_use(web: Web, limits: dict[str, Any], most: int) -> None:
    with made(web, **limits) as http:
        assert http.post("/v1/jobs", json={"workflow": PICTURE, "priority": most}).json()["priority"] == most
        assert http.post("/v1/jobs", json={"workflow": PICTURE}).json()["priority"] == min(0, most)
        prompt_id = http.post("/prompt", json={"prompt": PICTURE, "front": True}).json()["prompt_id"]
        assert http.get(f"/v1/jobs/{prompt_id}").json()["priority"] == min(0, most)
        if most < 1000:
            refused = http.post("/v1/jobs", json={"workflow": PICTURE, "priority": most + 1})
            assert refused.status_code == 422
            assert f"at most {most}" in refused.text
            assert "priority" in refused.text


@pytest.mark.parametrize(("limits", "most"), [({}, 25), ({"max_queued": 2}, 2)])
def test_a_key_has_only_so_many_jobs_waiting(web: Web, limits: dict[str, Any], most: int) -> None:
    with made(web, **limits) as http:
        for _ in range(most):
            assert http.post("/prompt", json={"prompt": PICTURE}).status_code == 200
        native, comfy = (
            http.post("/v1/jobs", json={"workflow": PICTURE}),
            http.post("/prompt", json={"prompt": PICTURE}),
        )
        assert native.status_code == comfy.status_code == 429
        assert native.json()["type"].endswith("own-queue-full")
        assert int(native.headers["retry-after"]) > 0
        assert int(comfy.headers["retry-after"]) > 0
    with made(web) as other:
        assert other.post("/v1/jobs", json={"workflow": PICTURE}).status_code == 202


def test_wrong_limits_are_refused(web: Web) -> None:
    with web.client(headers={"X-API-Key": OPERATOR}) as http:
        for wrong in ({"max_priority": 1001}, {"max_queued": 0}, {"max_running": -1}, {"max_running": "many"}):
            assert http.post("/v1/keys", json={"name": "ann", **wrong}).status_code == 422, wrong


def test_admins_fill_the_queue(tmp_path: Path) -> None:
    with serving(tmp_path, queue_limit=8) as web, web.client() as http:
        replies = [http.post("/v1/jobs", json={"workflow": PICTURE}).status_code for _ in range(9)]
    assert replies == [202] * 8 + [503]
