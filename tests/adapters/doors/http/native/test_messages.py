"""Webhook messages carry what a job made, to a real receiver: links good without a key, small files themselves."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from adapters.doors.http.native.messages import whole_body
from adapters.service.store.records import Delivery
from tests.adapters.doors.http.native.receiver import Receiver
from tests.adapters.doors.http.serving import PICTURE, Web, serving
from tests.adapters.services import Service, until

FILES = {"small.bin": b"s" * 1024, "large.bin": b"l" * 1025}


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """With keys, so that links are what opens files."""
    folder = tmp_path_factory.mktemp("messages")
    with serving(folder, api_keys="operator", allowed_hosts=["127.0.0.1"], webhook_inline_kib=1) as running:
        yield running


@pytest.fixture
def ann(web: Web) -> Iterator[httpx.Client]:
    _, key = web.services.store.keys.create("ann", ["submit", "read"])
    with web.client(headers={"X-API-Key": key}) as client:
        yield client


def _job(web: Web, client: httpx.Client, receiver: Receiver) -> str:
    made = [web.made(name, data, "application/octet-stream") for name, data in FILES.items()]
    return web.job_with(client, *made, webhook={"url": receiver.url})


def _outputs(receiver: Receiver, number: int = 0) -> list[dict[str, Any]]:
    until(lambda: len(receiver.received) > number)
    found: list[dict[str, Any]] = json.loads(receiver.received[number][1])["data"]["outputs"]
    return found


def test_outputs_come_as_links_and_small_ones_themselves(web: Web, ann: httpx.Client, receiver: Receiver) -> None:
    job_id = _job(web, ann, receiver)
    outputs = _outputs(receiver)
    shown = ann.get(f"/v1/jobs/{job_id}").json()["outputs"]
    apart = {"url": None, "base64": None}
    assert [{**one, **apart} for one in outputs] == [{**one, **apart} for one in shown]
    assert [one["base64"] for one in outputs] == [base64.b64encode(FILES["small.bin"]).decode(), None]
    for output in outputs:  # as they stand, without a key: an address of this service and a signature
        assert httpx.get(output["url"]).content == FILES[output["name"]]


def test_a_link_opens_one_output_of_one_job(web: Web, ann: httpx.Client, receiver: Receiver) -> None:
    job_id = _job(web, ann, receiver)
    first, second = (one["url"] for one in _outputs(receiver))
    others = web.job_with(ann, web.made("small.bin", FILES["small.bin"], "application/octet-stream"))
    query = first.partition("?")[2]
    assert httpx.get(first.partition("?")[0]).status_code == 401
    assert httpx.get(f"{second.partition('?')[0]}?{query}").status_code == 403
    assert httpx.get(first.replace(job_id, others)).status_code == 403
    assert httpx.get(first.replace("expires=1", "expires=2")).status_code == 403
    for path in (f"/v1/jobs/{job_id}", f"/v1/jobs/{job_id}/events", "/v1/jobs", "/view?filename=small.bin"):
        both = "&" if "?" in path else "?"
        assert httpx.get(f"{web.url}{path}{both}{query}").status_code == 401
    assert ann.delete(f"/v1/jobs/{job_id}").status_code in (200, 202, 204, 409)
    _, key = web.services.store.keys.create("ben", ["submit", "read"])
    ben = {"X-API-Key": key}
    assert httpx.get(first.partition("?")[0], headers=ben).status_code == 404  # a key opens its own jobs' only
    assert httpx.get(first, headers=ben).content == FILES["small.bin"]


def test_sent_again_it_is_the_same_until_its_links_grow_old(web: Web, ann: httpx.Client, receiver: Receiver) -> None:
    job_id = _job(web, ann, receiver)
    until(lambda: ann.get(f"/v1/webhooks?job_id={job_id}&state=delivered").json()["webhooks"])
    message_id = json.loads(receiver.received[0][1])["id"]
    assert ann.post(f"/v1/webhooks/{message_id}/redeliver").status_code == 202
    until(lambda: len(receiver.received) == 2)
    assert receiver.received[0][1] == receiver.received[1][1]
    found = web.services.store.outbox.get(message_id)
    assert found is not None
    old = _links(web, replace(found, created_at=found.created_at - 13 * 3600))  # of 24 hours
    assert old == _links(web, found)
    older = _links(web, replace(found, created_at=found.created_at - 30 * 24 * 3600))
    assert [httpx.get(link).status_code for link in older] == [200, 200]


def _links(web: Web, delivery: Delivery) -> list[str]:
    return [one["url"] for one in json.loads(whole_body(web.services, delivery))["data"]["outputs"]]


def test_a_file_that_is_gone_costs_no_message(web: Web, ann: httpx.Client, receiver: Receiver) -> None:
    kept, gone = (web.made(name, name.encode(), "text/plain") for name in ("kept.txt", "gone.txt"))
    job_id = web.job_with(ann, kept, gone, webhook={"url": receiver.url})
    until(lambda: ann.get(f"/v1/webhooks?job_id={job_id}&state=delivered").json()["webhooks"])
    assert [one["base64"] is not None for one in _outputs(receiver)] == [True, True]
    web.services.blobs.delete(gone.digest or "")
    ann.post(f"/v1/webhooks/{json.loads(receiver.received[0][1])['id']}/redeliver")
    outputs = _outputs(receiver, 1)
    assert [one["base64"] for one in outputs] == [None, None]
    assert [httpx.get(one["url"]).status_code for one in outputs] == [200, 404]


def test_a_job_that_was_cancelled_made_nothing(web: Web, ann: httpx.Client, receiver: Receiver) -> None:
    hook = {"url": receiver.url, "events": ["cancelled"]}
    job_id = ann.post("/v1/jobs", json={"workflow": PICTURE, "webhook": hook}).json()["id"]
    ann.delete(f"/v1/jobs/{job_id}")
    assert _outputs(receiver) == []


def test_a_job_of_a_real_worker(service: Service, http: httpx.Client, receiver: Receiver) -> None:
    request = {"workflow": PICTURE, "webhook": {"url": receiver.url, "events": ["completed", "progress"]}}
    job_id = http.post("/v1/jobs", json=request).json()["id"]
    ended = until(
        lambda: [one for _, body in receiver.received if (one := json.loads(body))["type"] == "job.completed"]
    )
    (output,) = ended[0]["data"]["outputs"]
    assert output["base64"] is None  # the default is links alone
    assert output["url"].startswith(f"{service.url}/v1/jobs/{job_id}/outputs/")
    assert httpx.get(output["url"]).content[:4] == b"\x89PNG"
    until(lambda: any(json.loads(body)["type"] == "job.progress" for _, body in receiver.received))
