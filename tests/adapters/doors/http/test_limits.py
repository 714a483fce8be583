"""What a request may take: bytes, time, depth, turns. Whatever is refused, the next request is served."""

from __future__ import annotations

import json
import select
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from http.client import HTTPConnection
from pathlib import Path

import httpx
import pytest

from tests.adapters.doors.http.serving import PICTURE, Web, eventually, serving
from tests.adapters.services import running, until

MIB = 2**20
_WAIT_S = 20.0  # for an answer: less than a service with the usual settings waits for a request


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """A service that takes small bodies."""
    with serving(tmp_path_factory.mktemp("limits"), max_body_mib=2) as made:
        yield made


@pytest.fixture(scope="module")
def _hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with serving(tmp_path_factory.mktemp("hasty"), read_timeout_s=1.5) as made:
        yield made


@pytest.fixture
def hasty(_hasty: Web) -> Iterator[Web]:
    """A service that does not wait long for what is sent: on a busy machine, not always for a good request either."""
    yield _hasty
    eventually(lambda: _check_that_it_serves(_hasty))


@pytest.fixture(autouse=True)
def _still_served(web: Web) -> Iterator[None]:
    yield
    _check_that_it_serves(web)


def _check_that_it_serves(web: Web) -> None:
    with web.client() as client:
        reply = client.post("/v1/check", json={"workflow": PICTURE})
        assert reply.status_code == 200 and reply.json()["valid"], reply.text


def _raw(web: Web, *pieces: bytes, pause_s: float = 0) -> bytes:
    """What the service answers to these bytes, until it closes."""
    with closing(socket.create_connection(("127.0.0.1", web.port), _WAIT_S)) as connection:
        with suppress(ConnectionError):  # it may close before it has been sent everything
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(pause_s)
        answer = b""
        with suppress(ConnectionError):  # as it closes on what it has not read, a reset may follow the answer
            while chunk := connection.recv(65536):
                answer += chunk
        return answer


def _post(length: int | None, path: str = "/v1/jobs") -> bytes:
    size = b"Transfer-Encoding: chunked" if length is None else b"Content-Length: %d" % length
    return (
        b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n%s\r\nConnection: close\r\n\r\n"
        % (path.encode(), size)
    )


def test_a_body_that_is_announced_too_large_is_refused_before_it_comes(web: Web) -> None:
    answer = _raw(web, _post(3 * MIB))
    assert answer.startswith(b"HTTP/1.1 413") and b"body-too-large" in answer


def test_an_endless_body_is_refused_while_it_comes(web: Web) -> None:
    piece = b"%x\r\n%s\r\n" % (65536, b"x" * 65536)
    with closing(socket.create_connection(("127.0.0.1", web.port), 30)) as connection:
        connection.sendall(_post(None))
        sent = 0
        with suppress(ConnectionError):
            while sent < 100 * MIB:
                connection.sendall(piece)
                sent += 65536
        # The largest body, eight times as much that is read and dropped, and what sockets hold on their way.
        assert sent < (1 + 8) * 2 * MIB + 16 * MIB


def test_a_body_that_stops_half_way_is_refused_in_time(hasty: Web) -> None:
    answer = _raw(hasty, _post(1000), b'{"workflow": ')  # whose socket waits less long than the service does by itself
    assert answer.startswith(b"HTTP/1.1 408") and b"body-too-slow" in answer


def test_a_body_that_drips_is_refused_in_time(hasty: Web) -> None:
    answer = _raw(hasty, _post(100_000), *[b" "] * 22, pause_s=0.1)
    assert answer.startswith(b"HTTP/1.1 408")


def test_a_client_that_goes_away_half_way_harms_nobody(web: Web, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(5):
        with closing(socket.create_connection(("127.0.0.1", web.port), 30)) as connection:
            connection.sendall(_post(1000) + b'{"workflow": ')
    multipart = _post(1000).replace(b"application/json", b"multipart/form-data; boundary=b")
    with closing(socket.create_connection(("127.0.0.1", web.port), 30)) as connection:
        connection.sendall(multipart + b'--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\nx')
    time.sleep(0.2)
    assert "unexpected error" not in caplog.text and "Traceback" not in caplog.text


def test_headers_that_never_end_are_refused(hasty: Web, web: Web) -> None:
    assert _raw(hasty, b"GET / HTTP/1.1\r\nHost: localhost\r\n") == b""  # closed in time
    assert _raw(hasty) == b""
    answer = _raw(web, b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + b"X-Filler: %s\r\n" % (b"x" * 100_000))
    assert answer.startswith(b"HTTP/1.1 400") and b"headers" in answer


@pytest.mark.parametrize(
    "body",
    [
        "[" * 100_000,
        '{"a":' * 5000 + "1" + "}" * 5000,
        json.dumps({"workflow": json.loads("[" * 300 + "]" * 300)}),
        "[" + "0," * 1_000_000 + "0]",
        "{",
        "",
        "nul",
        '{"workflow": {"1": {"class_type": "EmptyImage", "inputs": {"width": NaN}}}}',
        '{"workflow": {"1": {"class_type": "\\ud800", "inputs": {}}}}',
        '{"workflow": {}, "workflow": {}}',
        '{"workflow": ' + "9" * 10_000 + "}",
        "[]",
        '"text"',
        "null",
    ],
    ids=lambda body: body[:20] or "empty",
)
@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/check", "/v1/generate", "/generate", "/v1/keys"])
def test_json_that_makes_no_sense_is_refused(web: Web, path: str, body: str) -> None:
    with web.client() as client:
        reply = client.post(path, content=body, headers={"Content-Type": "application/json"})
    if path == "/v1/check" and "NaN" in body:  # of a node's input: a problem of the workflow like others
        assert reply.json()["problems"][0]["code"] == "invalid_input_type"
        return
    assert reply.status_code in (400, 422), reply.text[:300]
    assert reply.headers["content-type"] == "application/problem+json"


def test_json_of_very_many_values_is_refused_before_it_is_parsed(web: Web) -> None:
    from adapters.doors.http.bodies import read_json
    from adapters.service.errors import RequestInvalid

    with pytest.raises(RequestInvalid, match="3,000,000 values"):
        read_json(b"[" + b"{}," * 2_000_000 + b"{}]")


@pytest.mark.parametrize("media_type", ["text/plain", "application/xml", "application/x-www-form-urlencoded", "x"])
def test_bodies_of_other_kinds_are_refused(web: Web, media_type: str) -> None:
    with web.client() as client:
        reply = client.post("/v1/jobs", content=b"{}", headers={"Content-Type": media_type})
    assert reply.status_code == 415


def test_a_broken_form_is_refused(web: Web) -> None:
    with web.client() as client:
        for content in (b"", b"--b", b"no form", b"--b\r\nContent-Disposition: form-data\r\n\r\n\r\n--b--"):
            headers = {"Content-Type": "multipart/form-data; boundary=b"}
            assert client.post("/v1/jobs", content=content, headers=headers).status_code in (400, 422), content
        assert client.post("/v1/jobs", content=b"x", headers={"Content-Type": "multipart/form-data"}).status_code == 400


def test_more_sockets_than_allowed_are_refused_clearly(tmp_path: Path) -> None:
    with serving(tmp_path, max_sockets=60) as web:
        kept = [socket.create_connection(("127.0.0.1", web.port), 30) for _ in range(200)]
        try:
            answered = select.poll()
            for connection in kept:
                answered.register(connection, select.POLLIN)
            until(lambda: len(answered.poll(0)) >= 200 - 60)
            refused = {descriptor for descriptor, _ in answered.poll(0)}
            assert len(refused) == 200 - 60
            for connection in kept:
                if connection.fileno() not in refused:
                    continue
                answer = connection.recv(4096)
                assert answer.startswith(b"HTTP/1.1 503") and b"too-many-sockets" in answer and b"Retry-After" in answer
        finally:
            for connection in kept:
                connection.close()


def test_sockets_that_say_nothing_are_closed_in_time(hasty: Web) -> None:
    with ExitStack() as stack:
        kept = [
            stack.enter_context(closing(socket.create_connection(("127.0.0.1", hasty.port), _WAIT_S)))
            for _ in range(10)
        ]
        assert [connection.recv(4096) for connection in kept] == [b""] * 10


def test_a_key_has_its_turns_and_is_told_when_they_are_used_up(tmp_path: Path) -> None:
    # A window that does not end while the test runs: windows begin at whole multiples of their length.
    with serving(tmp_path, rate_limit="5/day") as web, web.client() as client:
        for left in (4, 3, 2, 1, 0):
            reply = client.get("/v1/jobs")
            assert reply.status_code == 200
            assert (reply.headers["ratelimit-limit"], reply.headers["ratelimit-remaining"]) == ("5", str(left))
            assert 0 < int(reply.headers["ratelimit-reset"]) <= 86_400
        refused = client.get("/v1/jobs")
        assert refused.status_code == 429
        assert 0 < int(refused.headers["retry-after"]) <= 86_400
        assert refused.headers["ratelimit-remaining"] == "0"
        assert client.get("/health").status_code == 200
        made, key = web.services.store.keys.create("other", ["read"], rate_limit="1000/minute")
        assert client.get("/v1/jobs", headers={"X-API-Key": key}).headers["ratelimit-limit"] == "1000", made


def test_a_full_queue_says_when_to_come_back(tmp_path: Path) -> None:
    with serving(tmp_path, queue_limit=2) as web, web.client() as client:
        first = client.post("/v1/jobs", json={"workflow": PICTURE, "idempotency_key": "a"})
        assert first.status_code == 202
        assert client.post("/v1/jobs", json={"workflow": PICTURE}).status_code == 202
        full = client.post("/v1/jobs", json={"workflow": PICTURE})
        assert full.status_code == 503 and int(full.headers["retry-after"]) > 0
        assert full.json()["type"].endswith("queue-full")
        # Asking again for a job that is in the queue is no new job.
        again = client.post("/v1/jobs", json={"workflow": PICTURE, "idempotency_key": "a"})
        assert again.json()["id"] == first.json()["id"]
        client.delete(f"/v1/jobs/{first.json()['id']}")
        assert client.post("/v1/jobs", json={"workflow": PICTURE}).status_code == 202


def test_dagfusion_serve_keeps_to_the_limits(tmp_path: Path) -> None:
    with running(tmp_path, ready=False, workers="0", max_sockets="10") as service:
        until(lambda: httpx.get(f"{service.url}/ready", timeout=30).status_code == 503, 60)
        kept = [socket.create_connection(("127.0.0.1", int(service.url.rpartition(":")[2])), 30) for _ in range(30)]
        try:
            assert sum(b"503" in connection.recv(4096) for connection in kept[15:]) == 15
        finally:
            for connection in kept:
                connection.close()


@pytest.mark.parametrize("connection", ["close", "keep-alive"])
def test_whoever_is_refused_for_a_body_hears_why(tmp_path: Path, connection: str) -> None:
    """Also those who read nothing before they have sent all, on connections that are closed after the answer."""
    with serving(tmp_path, max_body_mib=2) as web:

        def send(size_bytes: int) -> int:
            sender = HTTPConnection("127.0.0.1", web.port, timeout=60)
            headers = {"Content-Type": "application/json", "Connection": connection}
            sender.request("POST", "/v1/jobs", body=b'{"a":"' + b"x" * size_bytes + b'"}', headers=headers)
            with closing(sender), sender.getresponse() as reply:
                assert b"remedy" in reply.read()
                return reply.status

        with ThreadPoolExecutor(16) as pool:
            statuses = set(pool.map(send, [1_900_000] * 32))
            assert statuses <= {422, 503} and 422 in statuses
            assert set(pool.map(send, [10_000_000] * 8)) == {413}
        assert send(1_900_000) == 422  # nothing that was refused is still counted


def test_who_asks_before_sending_a_body_is_not_invited_to_send_it(tmp_path: Path) -> None:
    with (
        serving(tmp_path, max_body_mib=1) as web,
        socket.create_connection(("127.0.0.1", web.port), timeout=60) as asking,
    ):
        head = f"POST /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1:{web.port}\r\nContent-Length: 9000000\r\n"
        asking.sendall(f"{head}Expect: 100-continue\r\nConnection: close\r\n\r\n".encode())
        assert asking.recv(100).startswith(b"HTTP/1.1 413")
