"""API keys: needed off loopback, scoped, hashed, and each sees its own jobs only."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import websockets.sync.client as websockets
from websockets.exceptions import InvalidStatus

from tests.adapters.doors.http.serving import PICTURE, Web, serving

OPERATOR = "operator-key-of-the-settings"


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """A service that thinks that it listens to everybody."""
    folder = tmp_path_factory.mktemp("auth")
    with serving(folder, host="0.0.0.0", api_keys=OPERATOR) as running:
        yield running


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def _key(web: Web, *scopes: str, **more: Any) -> str:
    with web.client(headers=_bearer(OPERATOR)) as client:
        reply = client.post("/v1/keys", json={"name": "test", "scopes": list(scopes), **more})
        assert reply.status_code == 201, reply.text
        return str(reply.json()["key"])


def test_keys_are_needed_unless_one_listens_on_loopback(web: Web, tmp_path: Path) -> None:
    with web.client() as client:
        for method, path in (("POST", "/v1/jobs"), ("GET", "/v1/jobs"), ("GET", "/v1/nodes"), ("GET", "/metrics")):
            reply = client.request(method, path)
            assert reply.status_code == 401, path
            assert reply.headers["www-authenticate"] == "Bearer"
        assert client.get("/v1/jobs", headers=_bearer("wrong")).status_code == 401
        assert client.get("/health").status_code == 200
        assert client.get("/ready").status_code == 503
    with serving(tmp_path) as open_web, open_web.client() as client:
        assert client.get("/v1/jobs").status_code == 200
        # One that is shown is looked at all the same.
        assert client.get("/v1/jobs", headers=_bearer("wrong")).status_code == 401


def test_a_configured_key_is_asked_for_on_loopback_too(tmp_path: Path) -> None:
    with serving(tmp_path, api_keys="one, two") as web, web.client() as client:
        assert client.get("/v1/jobs").status_code == 401
        for key in ("one", "two"):
            assert client.get("/v1/jobs", headers=_bearer(key)).status_code == 200


def test_a_key_is_taken_from_headers_and_from_the_query(web: Web) -> None:
    with web.client() as client:
        assert client.get("/v1/jobs", headers={"X-API-Key": OPERATOR}).status_code == 200
        assert client.get("/v1/jobs", params={"api_key": OPERATOR}).status_code == 200
        assert client.get("/v1/jobs", params={"token": OPERATOR}).status_code == 200


def test_scopes_say_what_a_key_may_do(web: Web) -> None:
    with web.client(headers=_bearer(_key(web, "read"))) as reader:
        assert reader.get("/v1/jobs").status_code == 200
        assert reader.post("/v1/jobs", json={"workflow": PICTURE}).status_code == 403
        assert reader.get("/v1/keys").status_code == 403
    with web.client(headers=_bearer(_key(web, "submit"))) as submitter:
        reply = submitter.post("/v1/jobs", json={"workflow": PICTURE})
        assert reply.status_code == 202
        assert submitter.get("/v1/jobs").status_code == 403
        assert submitter.post("/v1/keys", json={"name": "mine", "scopes": ["admin"]}).status_code == 403
        assert submitter.delete(f"/v1/jobs/{reply.json()['id']}").status_code == 200


def test_a_key_sees_its_own_jobs_only_and_an_admin_all(web: Web) -> None:
    with (
        web.client(headers=_bearer(_key(web, "submit", "read"))) as one,
        web.client(headers=_bearer(_key(web, "submit", "read"))) as other,
        web.client(headers=_bearer(OPERATOR)) as admin,
    ):
        job_id = one.post("/v1/jobs", json={"workflow": PICTURE}).json()["id"]
        assert [job["id"] for job in one.get("/v1/jobs").json()["jobs"]] == [job_id]
        assert other.get("/v1/jobs").json()["jobs"] == []
        paths = (f"/v1/jobs/{job_id}", f"/v1/jobs/{job_id}/events", f"/v1/jobs/{job_id}/outputs/x.png")
        for path in (*paths, f"/v1/webhooks?job_id={job_id}"):
            assert other.get(path).status_code == 404, path
        assert other.delete(f"/v1/jobs/{job_id}").status_code == 404
        assert job_id in [job["id"] for job in admin.get("/v1/jobs").json()["jobs"]]
        assert one.get(f"/v1/jobs/{job_id}").json()["state"] == "queued"
        assert admin.delete(f"/v1/jobs/{job_id}").json()["state"] == "cancelled"


def test_sockets_ask_for_a_key_as_well(web: Web) -> None:
    address = web.url.replace("http", "ws")
    key = _key(web, "read")
    with pytest.raises(InvalidStatus) as refused:
        websockets.connect(f"{address}/v1/ws")
    assert refused.value.response.status_code == 401
    assert b"key-missing" in (refused.value.response.body or b"")
    with websockets.connect(f"{address}/v1/ws?api_key={key}"):
        pass
    with websockets.connect(f"{address}/v1/ws", additional_headers=_bearer(key)):
        pass


def test_the_stream_of_all_jobs_leaves_out_those_of_others(web: Web) -> None:
    address = web.url.replace("http", "ws")
    mine, others = _key(web, "submit", "read"), _key(web, "submit", "read")
    with websockets.connect(f"{address}/v1/ws?api_key={mine}") as socket, web.client() as client:
        for key in (others, mine):
            reply = client.post("/v1/jobs", json={"workflow": PICTURE}, headers=_bearer(key))
            assert reply.status_code == 202
        assert reply.json()["id"] in str(socket.recv(timeout=60))
    with web.client(headers=_bearer(OPERATOR)) as client:
        for job in client.get("/v1/jobs").json()["jobs"]:
            client.delete(f"/v1/jobs/{job['id']}")


def test_a_revoked_key_is_good_for_nothing(web: Web) -> None:
    key = _key(web, "read")
    with web.client(headers=_bearer(OPERATOR)) as admin, web.client(headers=_bearer(key)) as client:
        assert client.get("/v1/jobs").status_code == 200
        listed = admin.get("/v1/keys").json()["keys"]
        assert admin.delete(f"/v1/keys/{listed[-1]['id']}").status_code == 204
        assert client.get("/v1/jobs").status_code == 401
        assert admin.delete(f"/v1/keys/{listed[-1]['id']}").status_code == 404
        assert admin.get("/v1/keys").json()["keys"][-1]["revoked_at"]


def test_only_a_hash_of_a_key_is_kept(web: Web) -> None:
    key = _key(web, "read")
    with web.client(headers=_bearer(OPERATOR)) as admin:
        assert key not in admin.get("/v1/keys").text
    database = sqlite3.connect(web.folder / "data" / "queue.sqlite")
    dump = "\n".join(database.iterdump())
    database.close()
    assert key not in dump


def test_a_key_request_that_makes_no_sense_is_told_why(web: Web) -> None:
    with web.client(headers=_bearer(OPERATOR)) as admin:
        for body in ({"name": ""}, {"name": "x", "scopes": ["root"]}, {"name": "x", "rate_limit": "often"}, {}):
            reply = admin.post("/v1/keys", json=body)
            assert reply.status_code == 422, reply.text
