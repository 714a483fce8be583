"""Webhooks over the native API: asked for, signed, delivered by the web process, looked up, sent again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from adapters.service.webhooks.signing import verify
from tests.adapters.doors.http.native.receiver import Receiver
from tests.adapters.doors.http.serving import PICTURE, Web, serving
from tests.adapters.services import until


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with serving(tmp_path_factory.mktemp("webhooks"), allowed_hosts=["127.0.0.1"]) as running:
        yield running


def test_a_message_is_signed_with_the_secret_that_the_submitter_got(web: Web, receiver: Receiver) -> None:
    with web.client() as client:
        job = client.post("/v1/jobs", json={"workflow": PICTURE, "webhook": {"url": receiver.url}}).json()
        assert job["webhook_secret"].startswith("whsec_")
        assert client.get(f"/v1/jobs/{job['id']}").json()["webhook_secret"] is None
        web.complete(web.claim())
        until(lambda: receiver.received)
        headers, body = receiver.received[0]
        verify(job["webhook_secret"], headers, body)
        message = json.loads(body)
        assert (message["type"], message["job_id"]) == ("job.completed", job["id"])
        assert datetime.fromisoformat(message["data"]["created_at"]) == datetime.fromisoformat(job["created_at"])
        assert message["data"]["started_at"] > message["data"]["created_at"]
        listed = until(lambda: _delivered(client, job["id"]))
        assert listed[0]["id"] == message["id"] and listed[0]["last_status"] == 200
        assert job["webhook_secret"] not in client.get("/v1/webhooks", params={"job_id": job["id"]}).text
        again = client.post(f"/v1/webhooks/{message['id']}/redeliver")
        assert again.status_code == 202 and again.json()["state"] == "pending"
        until(lambda: len(receiver.received) == 2)
        assert receiver.received[1][1] == body


def _delivered(client: Any, job_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(f"/v1/webhooks?job_id={job_id}&state=delivered").json()["webhooks"]
    return found


def test_only_the_events_that_were_asked_for_are_sent(web: Web, receiver: Receiver) -> None:
    hook = {"url": receiver.url, "events": ["cancelled"], "secret": "our own secret"}
    with web.client() as client:
        first = client.post("/v1/jobs", json={"workflow": PICTURE, "webhook": hook}).json()
        assert first["webhook_secret"] is None
        web.complete(web.claim())
        second = client.post("/v1/jobs", json={"workflow": PICTURE, "webhook": hook}).json()
        client.delete(f"/v1/jobs/{second['id']}")
        until(lambda: receiver.received)
        assert [json.loads(body)["type"] for _, body in receiver.received] == ["job.cancelled"]
        verify("our own secret", *receiver.received[0])
        assert client.get(f"/v1/webhooks?job_id={first['id']}").json()["webhooks"] == []


def test_a_receiver_that_fails_is_remembered(web: Web, receiver: Receiver) -> None:
    receiver.status = 410
    with web.client() as client:
        job = client.post("/v1/jobs", json={"workflow": PICTURE, "webhook": {"url": receiver.url}}).json()
        web.complete(web.claim())
        found = until(lambda: client.get(f"/v1/webhooks?job_id={job['id']}&state=dead").json()["webhooks"])
        assert found[0]["last_status"] == 410 and "410" in found[0]["last_error"]
        receiver.status = 200
        client.post(f"/v1/webhooks/{found[0]['id']}/redeliver")
        until(lambda: _delivered(client, job["id"]))


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.1/x",
        "http://169.254.169.254/latest/meta-data",
        "http://[::ffff:10.0.0.1]/x",
        "http://0x0a000001/x",
        "file:///etc/passwd",
        "gopher://x.example",
        "http://user:hunter2@x.example/",
        "x",
    ],
)
def test_addresses_that_may_not_be_contacted_are_refused_at_once(web: Web, url: str) -> None:
    with web.client() as client:
        reply = client.post("/v1/jobs", json={"workflow": PICTURE, "webhook": {"url": url}})
        assert reply.status_code == 422, reply.text
        assert "hunter2" not in reply.text
        assert client.get("/v1/jobs?state=queued").json()["jobs"] == []


def test_messages_that_are_not_there_are_not_found(web: Web) -> None:
    with web.client() as client:
        assert client.post("/v1/webhooks/msg_x/redeliver").status_code == 404
        assert client.get("/v1/webhooks?job_id=x").status_code == 404
        assert client.get("/v1/webhooks").status_code == 422
