"""What a key has opened is closed when the key is revoked: every socket and every stream, and no others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import websocket

from tests.adapters.doors.http.serving import PICTURE, Web, serving

OPERATOR = "the-operators-key"
SOCKETS = ("/ws?clientId=me", "/api/ws", "/v1/ws", "/v1/jobs/{job}/ws")


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with serving(tmp_path_factory.mktemp("revocation"), api_keys=OPERATOR) as found:
        yield found


def submit(web: Web, headers: dict[str, str]) -> str:
    with web.client(headers=headers) as http:
        return str(http.post("/v1/jobs", json={"workflow": PICTURE}).json()["id"])


def connect(web: Web, path: str, headers: dict[str, str]) -> websocket.WebSocket:
    return websocket.create_connection(web.url.replace("http", "ws") + path, timeout=60, header=headers)


def close_code(socket: websocket.WebSocket) -> int:
    """Of the frame that closes the socket, which comes after all others."""
    while True:
        code, data = socket.recv_data()
        if code == websocket.ABNF.OPCODE_CLOSE:
            socket.shutdown()
            return int.from_bytes(data[:2])


@pytest.mark.parametrize("revoke_by", ["route", "store"])
@pytest.mark.parametrize("path", SOCKETS)
def test_sockets_are_closed(web: Web, path: str, revoke_by: str) -> None:
    key, text = web.services.store.keys.create("ann", ["submit", "read"])
    _, others = web.services.store.keys.create("ben", ["submit", "read"])
    headers, admin = {"X-API-Key": text}, {"X-API-Key": OPERATOR}
    job = submit(web, headers)
    hers = connect(web, path.format(job=job), headers)
    kept = [connect(web, "/v1/ws", {"X-API-Key": others}), connect(web, "/v1/ws", admin)]
    if revoke_by == "route":
        with web.client(headers=admin) as http:
            assert http.delete(f"/v1/keys/{key.id}").status_code == 204
    else:
        web.services.store.keys.revoke(key.id)  # by another process
    assert close_code(hers) == 1008
    with web.client(headers=headers) as http:
        assert http.get("/queue").status_code == 401
    his = submit(web, {"X-API-Key": others})
    for socket in kept:
        while his not in str(socket.recv()):
            pass
        socket.close()


@pytest.mark.parametrize("form", ["/v1/jobs/{job}/events"])
def test_streams_end(web: Web, form: str) -> None:
    key, text = web.services.store.keys.create("ann", ["submit", "read"])
    headers = {"X-API-Key": text}
    job = submit(web, headers)
    with web.client(headers=headers) as http, http.stream("GET", form.format(job=job)) as reply:
        lines = reply.iter_lines()
        assert next(lines).startswith("id:")
        web.services.store.keys.revoke(key.id)
        assert not any("completed" in line for line in lines)  # up to the end, which comes without an error


def test_a_reply_that_does_not_last_is_given_whole(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    key, text = web.services.store.keys.create("ann", ["submit", "read"])
    keys = web.services.store.keys
    find: Callable[[str], Any] = keys.find

    def find_and_revoke(asked: str) -> Any:
        found = find(asked)
        keys.revoke(key.id)
        return found

    monkeypatch.setattr(keys, "find", find_and_revoke)
    with web.client(headers={"X-API-Key": text}) as http:
        assert http.get("/object_info").is_success
        assert http.get("/object_info").status_code == 401


def test_every_socket_and_stream_is_tested(web: Web) -> None:
    """Found by walking the routes, so that a new one is thought of."""
    found = [getattr(router, "effective_route_contexts", lambda: ())() for router in web.app.routes]
    routes = [route for some in found for route in some]
    sockets = {route.original_route.path for route in routes if "WebSocket" in type(route.original_route).__name__}
    streams = {route.path for route in routes if "EventSource" in str(route.response_class)}
    assert sockets == {"/ws", "/jobs/{job_id}/ws"}
    assert streams == {"/v1/jobs/{job_id}/events"}
