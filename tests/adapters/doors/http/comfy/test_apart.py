"""A web process that shares only the database and the blobs with its worker, and callers with keys of their own."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import websocket

from tests.adapters.doors.http.comfy.test_socket import read_frame
from tests.adapters.services import Service, picture_prompt, running, until

OPERATOR = "the-operators-key"


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A web process that wants keys."""
    folder = tmp_path_factory.mktemp("web")
    with running(folder, "serve", "--port", "0", "--no-worker", ready=False, api_keys=OPERATOR) as service:
        until(lambda: httpx.get(f"{service.url}/health", timeout=60).is_success)
        yield service


@pytest.fixture(scope="module")
def worker(web: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A worker with folders of its own, as on another machine."""
    shared = {
        "database_url": f"sqlite:///{web.folder / 'data' / 'queue.sqlite'}",
        "blobs": str(web.folder / "data" / "blobs"),
    }
    with running(tmp_path_factory.mktemp("worker"), "worker", **shared) as service:
        yield service


@pytest.fixture
def keys(web: Service) -> dict[str, dict[str, str]]:
    """Headers of two users, and of one who may only look."""
    made = {}
    for name, scopes in (("ann", ["submit", "read"]), ("ben", ["submit", "read"]), ("eve", ["read"])):
        made[name] = {"X-API-Key": web.store.keys.create(name, scopes)[1]}
    return made


def connect(web: Service, client_id: str, headers: dict[str, str]) -> websocket.WebSocket:
    url = web.url.replace("http", "ws") + f"/ws?clientId={client_id}"
    socket = websocket.create_connection(url, timeout=30, header=headers)
    socket.recv()
    return socket


def heard(socket: websocket.WebSocket, prompt_id: str) -> list[Any]:
    found: list[Any] = []
    while not found or found[-1] != {"type": "executing", "data": {"node": None, "prompt_id": prompt_id}}:
        message = socket.recv()
        found.append(message if isinstance(message, bytes) else json.loads(message))
    return found


def submit(web: Service, headers: dict[str, str], prompt: dict[str, Any], **more: Any) -> str:
    reply = httpx.post(f"{web.url}/prompt", json={"prompt": prompt, **more}, headers=headers)
    assert reply.status_code == 200, reply.text
    return str(reply.json()["prompt_id"])


def test_pictures_of_a_distant_worker_arrive(web: Service, worker: Service, keys: dict[str, dict[str, str]]) -> None:
    client_id = uuid.uuid4().hex
    socket = connect(web, client_id, keys["ann"])
    prompt = picture_prompt(70, node="SaveImageWebsocket")
    prompt["1"]["inputs"]["batch_size"] = 3
    prompt["3"] = {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "there"}}
    prompt_id = submit(web, keys["ann"], prompt, client_id=client_id)
    frames = [read_frame(message)[1] for message in heard(socket, prompt_id) if isinstance(message, bytes)]
    socket.close()
    assert [frame.getpixel((0, 0)) for frame in frames] == [(0, 0, 70)] * 3
    assert list(Path(web.settings["output"]).iterdir()) == []
    saved = httpx.get(f"{web.url}/history/{prompt_id}", headers=keys["ann"]).json()[prompt_id]["outputs"]["3"]["images"]
    reply = httpx.get(f"{web.url}/view", params=saved[0], headers=keys["ann"])
    (file,) = Path(worker.settings["output"]).glob(f"key_*/{saved[0]['filename']}")
    assert reply.content == file.read_bytes()


def test_pictures_arrive_though_a_later_node_fails(
    web: Service, worker: Service, keys: dict[str, dict[str, str]]
) -> None:
    assert worker.process.poll() is None
    client_id = uuid.uuid4().hex
    socket = connect(web, client_id, keys["ann"])
    prompt = picture_prompt(71, node="SaveImageWebsocket")
    prompt["3"] = {"class_type": "LoadImage", "inputs": {"image": "data:image/png;base64,AAAA"}}
    prompt["4"] = {"class_type": "PreviewImage", "inputs": {"images": ["3", 0]}}
    messages = heard(socket, submit(web, keys["ann"], prompt, client_id=client_id))
    socket.close()
    kinds = [message if isinstance(message, bytes) else message["type"] for message in messages]
    assert "execution_error" in kinds
    assert sum(isinstance(kind, bytes) for kind in kinds) == 1


def test_without_a_key_nothing_is_answered(web: Service, keys: dict[str, dict[str, str]]) -> None:
    for path in ("/queue", "/history", "/object_info", "/view?filename=a.png", "/api/system_stats", "/userdata?dir=x"):
        assert httpx.get(web.url + path).status_code == 401, path
    for path in ("/prompt", "/upload/image", "/interrupt", "/free", "/queue", "/history", "/settings"):
        assert httpx.post(web.url + path, json={}).status_code == 401, path
        assert httpx.post(web.url + path, json={}, headers=keys["eve"]).status_code == 403, path
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        websocket.create_connection(web.url.replace("http", "ws") + "/ws?clientId=x", timeout=30)
    assert refused.value.status_code in (401, 403)


def test_a_key_in_the_query_opens_the_socket_and_is_not_logged(web: Service) -> None:
    _, text = web.store.keys.create("browser", ["read"])
    socket = websocket.create_connection(web.url.replace("http", "ws") + f"/ws?clientId=b&token={text}", timeout=30)
    assert json.loads(socket.recv())["type"] == "status"
    socket.close()
    assert text not in web.log


def test_users_see_their_own_jobs_alone(web: Service, worker: Service, keys: dict[str, dict[str, str]]) -> None:
    assert worker.process.poll() is None
    sockets = {name: connect(web, "the-same-id", keys[name]) for name in ("ann", "ben")}
    anns = submit(web, keys["ann"], picture_prompt(72), client_id="the-same-id")
    heard(sockets["ann"], anns)
    for name, sees in (("ann", True), ("ben", False), ("eve", False)):
        assert (anns in httpx.get(f"{web.url}/history/{anns}", headers=keys[name]).json()) is sees
        assert (anns in httpx.get(f"{web.url}/history", headers=keys[name]).json()) is sees
    operator = {"Authorization": f"Bearer {OPERATOR}"}
    assert anns in httpx.get(f"{web.url}/history", headers=operator).json()
    httpx.post(f"{web.url}/history", json={"clear": True, "delete": [anns]}, headers=keys["ben"])
    assert anns in httpx.get(f"{web.url}/history", headers=keys["ann"]).json()
    bens = submit(web, keys["ben"], picture_prompt(73), client_id="the-same-id")
    told = [m["data"].get("prompt_id") for m in heard(sockets["ben"], bens) if not isinstance(m, bytes)]
    assert set(told) - {None} == {bens}
    for socket in sockets.values():
        socket.close()


def test_users_files_are_apart(web: Service, keys: dict[str, dict[str, str]]) -> None:
    for name in ("ann", "ben"):
        url = f"{web.url}/userdata/workflows%2Fmine.json"
        assert httpx.post(url, content=name.encode(), headers=keys[name]).json() == "workflows/mine.json"
    for name in ("ann", "ben"):
        assert httpx.get(f"{web.url}/userdata/workflows%2Fmine.json", headers=keys[name]).text == name


def test_one_user_does_not_stop_anothers_jobs(web: Service, worker: Service, keys: dict[str, dict[str, str]]) -> None:
    assert worker.process.poll() is None
    job_id = submit(web, keys["ann"], picture_prompt(74))
    httpx.post(f"{web.url}/queue", json={"clear": True, "delete": [job_id]}, headers=keys["ben"])
    httpx.post(f"{web.url}/interrupt", json={"prompt_id": job_id}, headers=keys["ben"])
    assert web.ended(job_id).state == "completed"


def saved_picture(web: Service, headers: dict[str, str], prompt: dict[str, Any]) -> bytes:
    """What the key gets as the picture of its prompt."""
    job = web.ended(submit(web, headers, prompt))
    assert job.state == "completed"
    entry = httpx.get(f"{web.url}/history/{job.id}", headers=headers).json()[job.id]
    (picture,) = entry["outputs"]["2"]["images"]
    return httpx.get(f"{web.url}/view", params=picture, headers=headers).content


def test_a_cached_picture_has_no_word_of_anothers(
    web: Service, worker: Service, keys: dict[str, dict[str, str]]
) -> None:
    assert worker.process.poll() is None
    private = {"9": {"class_type": "PreviewAny", "inputs": {"source": "what only ann wrote"}}}
    anns = saved_picture(web, keys["ann"], picture_prompt(81) | private)
    bens = saved_picture(web, keys["ben"], picture_prompt(81))
    assert b"what only ann wrote" in anns
    assert b"what only ann wrote" not in bens
    assert b"EmptyImage" in bens


def test_a_cached_picture_is_the_right_one_though_another_has_its_name(
    web: Service, worker: Service, keys: dict[str, dict[str, str]]
) -> None:
    output = Path(worker.settings["output"])
    first = saved_picture(web, keys["ann"], picture_prompt(82))
    for file in output.glob("key_*/*.png"):
        file.unlink()
    assert saved_picture(web, keys["ann"], picture_prompt(83)) != first
    assert saved_picture(web, keys["ann"], picture_prompt(82)) == first
    assert first in [file.read_bytes() for file in output.glob("key_*/*.png")]
