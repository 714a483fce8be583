"""Looking at the queue and the history, and taking jobs out of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.adapters.services import Service, picture_prompt, running, until

WAITS = {"1": {"class_type": "Wait", "inputs": {"tenths": 600, "mark": ""}}}
NODES = Path(__file__).parents[3] / "run" / "worker" / "nodes"


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service of the module's own, whose queue nobody else fills, with a node that takes its time."""
    with running(tmp_path_factory.mktemp("slow"), nodes=str(NODES)) as service:
        yield service


@pytest.fixture
def http(slow: Service) -> Iterator[httpx.Client]:
    """Requests to it, beginning with an empty queue."""
    with httpx.Client(base_url=slow.url, timeout=30) as client:
        client.post("/queue", json={"clear": True})
        client.post("/interrupt")
        until(lambda: client.get("/prompt").json() == {"exec_info": {"queue_remaining": 0}})
        yield client


def submit(http: httpx.Client, prompt: dict[str, Any], **more: Any) -> str:
    reply = http.post("/prompt", json={"prompt": prompt, **more})
    assert reply.status_code == 200, reply.text
    return str(reply.json()["prompt_id"])


def started(slow: Service, job_id: str) -> str:
    until(lambda: "node_started" in slow.kinds(job_id))
    return job_id


def test_the_queue_is_told_in_the_order_of_its_running(slow: Service, http: httpx.Client) -> None:
    now = started(slow, submit(http, WAITS, client_id="me"))
    later, sooner = submit(http, picture_prompt(1)), submit(http, picture_prompt(2), front=True)
    queue = http.get("/queue").json()
    assert [item[1] for item in queue["queue_running"]] == [now]
    assert [item[1] for item in queue["queue_pending"]] == [sooner, later]
    number, prompt_id, prompt, extra_data, outputs = queue["queue_running"][0]
    assert isinstance(number, int)
    assert (prompt_id, prompt, extra_data, outputs) == (now, WAITS, {"client_id": "me"}, ["1"])
    assert http.get("/prompt").json() == {"exec_info": {"queue_remaining": 3}}


def test_deleting_takes_waiting_jobs_and_leaves_the_running_one(slow: Service, http: httpx.Client) -> None:
    now = started(slow, submit(http, WAITS))
    gone, kept = submit(http, picture_prompt(1)), submit(http, picture_prompt(2))
    assert http.post("/queue", json={"delete": [gone, now, "unknown"]}).status_code == 200
    assert [item[1] for item in http.get("/queue").json()["queue_pending"]] == [kept]
    assert slow.job(now).state == "running"
    assert not slow.job(now).cancel_requested
    http.post("/queue", json={"clear": True})
    assert http.get("/queue").json()["queue_pending"] == []
    assert http.get(f"/history/{gone}").json() == {}  # It never ran.


def test_interrupting_hits_the_named_job_or_whatever_runs(slow: Service, http: httpx.Client) -> None:
    now = started(slow, submit(http, WAITS))
    http.post("/interrupt", json={"prompt_id": "another"})
    assert not slow.job(now).cancel_requested
    http.post("/interrupt", json={"prompt_id": now})
    assert slow.ended(now).state == "cancelled"
    again = started(slow, submit(http, WAITS))
    assert http.post("/interrupt").status_code == 200
    assert slow.ended(again).state == "cancelled"
    status = http.get(f"/history/{again}").json()[again]["status"]
    assert (status["status_str"], status["completed"]) == ("error", False)
    name, data = status["messages"][-1]
    assert name == "execution_interrupted"
    assert {key: data[key] for key in ("prompt_id", "node_id", "node_type", "executed")} == {
        "prompt_id": again,
        "node_id": "1",
        "node_type": "Wait",
        "executed": [],
    }


def test_the_history_is_paged_in_the_order_of_the_ends(slow: Service, http: httpx.Client) -> None:
    http.post("/history", json={"clear": True})
    ids = []
    for number in range(4):  # one after another: the next one may end first, while the last one's files are stored
        ids.append(submit(http, picture_prompt(100 + number)))
        slow.ended(ids[-1])

    def page(**query: int) -> list[str]:
        return list(http.get("/history", params=query).json())

    assert page() == ids
    assert page(max_items=2) == ids[-2:]
    assert page(max_items=2, offset=1) == ids[1:3]
    assert page(offset=3) == ids[3:]
    assert page(max_items=0) == []
    http.post("/history", json={"delete": [ids[1]]})
    assert page() == [ids[0], *ids[2:]]
    assert http.get(f"/history/{ids[1]}").json() == {}
    http.post("/history", json={"clear": True})
    assert page() == []


def test_a_failed_job_is_in_the_history_with_its_reason(slow: Service, http: httpx.Client) -> None:
    prompt = picture_prompt(3) | {"3": {"class_type": "Hog", "inputs": {"seed": 1}}}
    job_id = submit(http, prompt)
    assert slow.ended(job_id).state == "failed"
    entry = http.get(f"/history/{job_id}").json()[job_id]
    name, data = entry["status"]["messages"][-1]
    assert name == "execution_error"
    assert (data["node_id"], data["node_type"], data["exception_type"]) == ("3", "Hog", "MemoryError")
    assert "no memory left" in data["exception_message"]
    assert data["current_inputs"] == {"seed": [1]}


@pytest.mark.parametrize("path", ["/queue", "/history", "/interrupt", "/free"])
@pytest.mark.parametrize("content", [b"{", b"[]", b'"x"', b'{"delete": 5}', b"\xff", b"[" * 5000])
def test_bodies_that_make_no_sense_change_nothing(http: httpx.Client, path: str, content: bytes) -> None:
    reply = http.post(path, content=content)
    harmless = content == b'{"delete": 5}' and path in ("/interrupt", "/free")
    assert reply.status_code == (200 if harmless else 422)


@pytest.mark.parametrize("query", [{"max_items": "x"}, {"offset": "1.5"}, {"max_items": 10**30}])
def test_pages_that_make_no_sense_are_refused(http: httpx.Client, query: dict[str, Any]) -> None:
    assert http.get("/history", params=query).status_code == 422


def test_memory_is_freed_when_asked_and_the_next_job_computes_anew(slow: Service, http: httpx.Client) -> None:
    def cached(prompt: dict[str, Any]) -> list[str]:
        job_id = submit(http, prompt)
        slow.ended(job_id)
        messages = dict(http.get(f"/history/{job_id}").json()[job_id]["status"]["messages"])
        return list(messages["execution_cached"]["nodes"])

    assert cached(picture_prompt(55)) == []
    assert cached(picture_prompt(55)) == ["1", "2"]
    assert http.post("/free", json={"unload_models": True}).status_code == 200
    until(lambda: slow.log.count("freed memory") == 1)
    assert cached(picture_prompt(55)) == ["1", "2"]
    assert http.post("/free", json={"free_memory": True}).status_code == 200
    until(lambda: slow.log.count("freed memory") == 2)
    assert cached(picture_prompt(55)) == []
