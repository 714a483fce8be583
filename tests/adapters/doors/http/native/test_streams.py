"""Event streams over SSE and WebSockets: replayed, in order, without gaps, whatever the client's connection does."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets.sync.client as websockets
from websockets.exceptions import ConnectionClosed, InvalidStatus

from adapters.service.store.records import Lease, NewEvent
from tests.adapters.doors.http.serving import PICTURE, Web, serving
from tests.adapters.services import Service, running, stop, until

WAIT_S = 60.0  # for what has to come


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with serving(tmp_path_factory.mktemp("streams")) as running:
        yield running


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """A service that waits three seconds for its readers, for tests of those that do not read."""
    with serving(tmp_path_factory.mktemp("impatient"), send_timeout_s=3.0) as running:
        yield running


@pytest.fixture
def running_job(web: Web) -> Iterator[Lease]:
    with running_job_of(web) as lease:
        yield lease


@contextmanager
def running_job_of(web: Web) -> Iterator[Lease]:
    with web.client() as client:
        job_id = client.post("/v1/jobs", json={"workflow": PICTURE}).json()["id"]
    lease = web.claim()
    assert lease.job_id == job_id
    yield lease
    if not web.services.store.jobs.get(job_id).state.ended:  # type: ignore[union-attr]
        web.complete(lease)


def _socket(web: Web, path: str, **options: Any) -> Any:
    # Without a bound on what waits, since this client does not hear of a close while it is at the bound.
    return websockets.connect(web.url.replace("http", "ws") + path, max_queue=None, max_size=None, **options)


def _sse(client: httpx.Client, path: str, **options: Any) -> Iterator[dict[str, Any]]:
    """The events of a stream; their ids, kinds and data agree."""
    with client.stream("GET", path, **options) as reply:
        assert reply.status_code == 200
        assert reply.headers["content-type"].startswith("text/event-stream")
        fields: dict[str, str] = {}
        for line in reply.iter_lines():
            name, _, value = line.partition(": ")
            if line.startswith(":"):
                continue
            if line:
                fields[name] = value
                continue
            event = json.loads(fields["data"])
            assert (str(event["number"]), event["kind"]) == (fields["id"], fields["event"])
            yield event


def test_sse_tells_what_was_and_what_comes_and_ends_with_the_job(web: Web, running_job: Lease) -> None:
    web.record(running_job, 3)
    seen: list[dict[str, Any]] = []
    with web.client() as client:
        for event in _sse(client, f"/v1/jobs/{running_job.job_id}/events"):
            seen.append(event)
            if event["number"] == 5:
                web.record(running_job, 2)
                web.complete(running_job)
    assert [event["number"] for event in seen] == list(range(1, 9))
    assert [event["kind"] for event in seen][:2] == ["queued", "started"]
    assert seen[-1]["kind"] == "completed"
    assert all(event["job_id"] == running_job.job_id for event in seen)


def test_sse_goes_on_after_a_number(web: Web, running_job: Lease) -> None:
    web.record(running_job, 5)
    web.complete(running_job)
    path = f"/v1/jobs/{running_job.job_id}/events"
    with web.client() as client:
        assert [event["number"] for event in _sse(client, f"{path}?after=6")] == [7, 8]
        assert [event["number"] for event in _sse(client, path, headers={"Last-Event-ID": "7"})] == [8]
        assert list(_sse(client, f"{path}?after=8")) == []
        assert list(_sse(client, f"{path}?after=1000000")) == []
        for odd in ("x", "-1", "9" * 400, "²"):
            odd_header = {"Last-Event-ID": odd.encode()}
            found = client.get(path, headers=odd_header)  # type: ignore[arg-type]
            assert found.status_code == 200
        assert client.get(f"{path}?after=-1").status_code == 422
        assert client.get("/v1/jobs/nothing/events").status_code == 404


@pytest.mark.parametrize("transport", ["sse", "ws"])
def test_a_client_that_drops_every_few_milliseconds_sees_all_once_in_order(
    web: Web, running_job: Lease, transport: str
) -> None:
    count = 60

    def work() -> None:
        for start in range(0, count, 5):
            web.record(running_job, 5, start)
            time.sleep(0.004)
        web.complete(running_job)

    worker = threading.Thread(target=work)
    worker.start()
    seen: list[dict[str, Any]] = []
    connections = 0
    follow = _some_by_sse if transport == "sse" else _some_by_ws
    while not seen or seen[-1]["kind"] != "completed":
        connections += 1
        seen += follow(web, running_job.job_id, after=seen[-1]["number"] if seen else 0, for_s=0.005)
        assert connections < 2000
    worker.join()
    assert [event["number"] for event in seen] == list(range(1, count + 4))
    assert connections > 5


LONG = 2_500  # events, which are read in pages of 1,000


@pytest.fixture(scope="module")
def long_job(web: Web) -> str:
    """A job that has ended after :data:`LONG` events."""
    with running_job_of(web) as lease:
        web.services.store.leases.record(lease, [NewEvent("node_progress")] * (LONG - 3))
        web.complete(lease)
        return lease.job_id


@pytest.mark.parametrize("after", [0, 499, 500, 1_500, LONG - 1, LONG, LONG + 1])
@pytest.mark.parametrize("way", ["sse", "last-event-id", "ws", "ws-all"])
def test_a_long_past_is_told_to_its_end_on_every_way(web: Web, long_job: str, way: str, after: int) -> None:
    path = f"/v1/jobs/{long_job}"
    wanted = list(range(after + 1, LONG + 1))
    if way == "ws":
        with _socket(web, f"{path}/ws?after={after}") as connection:
            numbers = [json.loads(message)["number"] for message in connection]
    elif way == "ws-all":
        first = web.services.store.events.of_job(long_job, 0, 1)[0].position
        with _socket(web, f"/v1/ws?after={first - 1 + after}") as connection:
            numbers = [json.loads(connection.recv(timeout=WAIT_S))["number"] for _ in wanted]
    else:
        options = {"params": {"after": after}} if way == "sse" else {"headers": {"Last-Event-ID": str(after)}}
        with web.client() as client:
            numbers = [event["number"] for event in _sse(client, f"{path}/events", **options)]
    assert numbers == wanted


def test_a_watcher_from_beyond_the_end_is_let_go_at_the_end(web: Web, running_job: Lease) -> None:
    with _socket(web, f"/v1/jobs/{running_job.job_id}/ws?after=1000") as connection:
        until(lambda: _watchers(web, running_job) == 1)
        web.complete(running_job)
        assert list(connection) == []


def test_open_streams_do_not_keep_the_service_from_ending(tmp_path: Path) -> None:
    with running(tmp_path, "serve", "--port", "0", "--workers", "0", ready=False) as service:
        until(lambda: "ready to answer" in service.log)
        with httpx.Client(base_url=service.url, timeout=60) as client:
            waiting, ended = (client.post("/v1/jobs", json={"workflow": PICTURE}).json()["id"] for _ in range(2))
            claimed = service.store.leases.claim("tester", 60)
            assert claimed is not None and claimed[0].id == waiting
            claimed = service.store.leases.claim("tester", 60)
            assert claimed is not None and claimed[0].id == ended
            service.store.leases.record(claimed[1], [NewEvent("node_progress")] * LONG)
            service.store.leases.complete(claimed[1], [])
            places = (f"/v1/jobs/{waiting}/ws", f"/v1/jobs/{ended}/ws", "/v1/ws?after=0")
            with ExitStack() as open_streams:
                for path in places:
                    address = service.url.replace("http", "ws") + path
                    open_streams.enter_context(websockets.connect(address, max_queue=None, close_timeout=0))
                for job_id in (waiting, ended):
                    stream = client.stream("GET", f"/v1/jobs/{job_id}/events")
                    next(open_streams.enter_context(stream).iter_lines())
                stop(service.process)
        assert service.process.returncode == 0
        assert "is killed" not in service.log


_MOST_AT_ONCE = 8  # messages of one connection, however quickly they come


def _some_by_sse(web: Web, job_id: str, after: int, for_s: float) -> list[dict[str, Any]]:
    """What one short connection brings."""
    until_s, seen = time.monotonic() + for_s, []
    with web.client() as client:
        for event in _sse(client, f"/v1/jobs/{job_id}/events?after={after}"):
            seen.append(event)
            if time.monotonic() > until_s or len(seen) == _MOST_AT_ONCE:
                break
    return seen


def _some_by_ws(web: Web, job_id: str, after: int, for_s: float) -> list[dict[str, Any]]:
    until_s, seen = time.monotonic() + for_s, []
    with _socket(web, f"/v1/jobs/{job_id}/ws?after={after}") as connection:
        try:
            while not seen or (time.monotonic() < until_s and len(seen) < _MOST_AT_ONCE):
                seen.append(json.loads(connection.recv(timeout=WAIT_S)))
        except ConnectionClosed:
            pass
    return seen


def test_a_socket_brings_events_and_previews_and_closes_at_the_end(web: Web, running_job: Lease) -> None:
    with _socket(web, f"/v1/jobs/{running_job.job_id}/ws") as connection:
        assert [json.loads(connection.recv(timeout=WAIT_S))["kind"] for _ in range(2)] == ["queued", "started"]
        web.services.store.previews.put(running_job, "5", "image/jpeg", b"\xff\xd8picture")
        frame = connection.recv(timeout=WAIT_S)
        assert isinstance(frame, bytes)
        (length,) = struct.unpack(">I", frame[:4])
        about = json.loads(frame[4 : 4 + length])
        assert about == {"job_id": running_job.job_id, "node_id": "5", "media_type": "image/jpeg", "version": 1}
        assert frame[4 + length :] == b"\xff\xd8picture"
        connection.send("whatever a client says is not minded")
        web.complete(running_job)
        assert json.loads(connection.recv(timeout=WAIT_S))["kind"] == "completed"
        with pytest.raises(ConnectionClosed) as closed:
            connection.recv(timeout=WAIT_S)
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1000
    for after, kinds in ((2, ["completed"]), (3, []), (100, [])):
        with _socket(web, f"/v1/jobs/{running_job.job_id}/ws?after={after}") as again:
            assert [json.loads(message)["kind"] for message in again] == kinds


def test_previews_are_left_out_where_they_are_not_wanted(web: Web, running_job: Lease) -> None:
    with _socket(web, f"/v1/jobs/{running_job.job_id}/ws?previews=false&after=2") as connection:
        web.services.store.previews.put(running_job, "5", "image/jpeg", b"picture")
        web.record(running_job, 1)
        assert json.loads(connection.recv(timeout=WAIT_S))["kind"] == "node_progress"


def test_one_socket_tells_of_all_jobs(web: Web) -> None:
    with web.client() as client, _socket(web, "/v1/ws") as live:
        ids = [client.post("/v1/jobs", json={"workflow": PICTURE}).json()["id"] for _ in range(3)]
        told = [json.loads(live.recv(timeout=WAIT_S)) for _ in ids]
        assert [event["job_id"] for event in told] == ids
        positions = [event["position"] for event in told]
        assert positions == list(range(positions[0], positions[0] + 3))
        with _socket(web, f"/v1/ws?after={positions[0]}") as again:
            assert json.loads(again.recv(timeout=WAIT_S)) == told[1]
        with _socket(web, "/v1/ws?after=0") as from_start:
            assert json.loads(from_start.recv(timeout=WAIT_S))["position"] == 1
        for job_id in ids:
            client.delete(f"/v1/jobs/{job_id}")


def test_a_socket_for_nothing_is_refused_with_the_reason(web: Web) -> None:
    for path, status in (("/v1/jobs/nothing/ws", 404), ("/v1/jobs/nothing/ws?after=x", 403)):
        with pytest.raises(InvalidStatus) as refused:
            _socket(web, path)
        assert refused.value.response.status_code in (status, 422)


@contextmanager
def slow_reader(web: Web, head: str) -> Iterator[socket.socket]:
    """A client that sends ``head`` and reads no more than the first bytes of the answer, with little room for more."""
    with closing(socket.socket()) as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(("127.0.0.1", web.port))
        slow.sendall(f"{head}\r\nHost: localhost\r\n\r\n".encode())
        slow.settimeout(WAIT_S)
        assert slow.recv(100)
        yield slow


def test_a_slow_reader_is_cut_off_and_slows_nobody(impatient: Web) -> None:
    with running_job_of(impatient) as job:
        path = f"/v1/jobs/{job.job_id}/ws"
        upgrade = (
            f"GET {path} HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13"
        )
        with slow_reader(impatient, upgrade) as slow, _socket(impatient, f"{path}?after=2") as quick:
            picture = b"p" * 2**20
            for number in range(1, 21):
                impatient.services.store.previews.put(job, "5", "image/jpeg", picture)
                frame = quick.recv(timeout=WAIT_S)
                assert isinstance(frame, bytes) and f'"version": {number}}}'.encode() in frame[:400]
            until(lambda: _watchers(impatient, job) == 1)
            impatient.record(job, 1)
            while isinstance(message := quick.recv(timeout=WAIT_S), bytes):
                pass
            assert json.loads(message)["kind"] == "node_progress"
            assert _has_an_end(slow)


def _watchers(web: Web, job: Lease) -> int:
    """How many clients follow the job."""
    topic = web.services.tail._topics.get(job.job_id)
    return 0 if topic is None else topic.watchers


def _has_an_end(connection: socket.socket) -> bool:
    """Whether the other side has gone, once what it had sent is read."""
    try:
        while connection.recv(2**20):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return True


def test_a_slow_reader_of_sse_is_cut_off(impatient: Web) -> None:
    big = NewEvent("node_finished", {"node_id": "1", "class_type": "X", "shown": {"text": ["t" * 2**20]}})
    with (
        running_job_of(impatient) as job,
        slow_reader(impatient, f"GET /v1/jobs/{job.job_id}/events HTTP/1.1\r\nAccept: */*") as slow,
    ):
        for _ in range(20):
            impatient.services.store.leases.record(job, [big])
        until(lambda: _watchers(impatient, job) == 0)
        assert _has_an_end(slow)


def test_watchers_that_left_leave_nothing_behind(web: Web, running_job: Lease) -> None:
    for _ in range(30):
        with _socket(web, f"/v1/jobs/{running_job.job_id}/ws"):
            pass
    with web.client() as client, client.stream("GET", f"/v1/jobs/{running_job.job_id}/events") as reply:
        next(reply.iter_lines())
    until(lambda: running_job.job_id not in web.services.tail._topics)


def test_a_run_is_told_from_start_to_end(http: httpx.Client, service: Service) -> None:
    job_id = http.post("/v1/jobs", json={"workflow": PICTURE}).json()["id"]
    events = list(_sse(http, f"/v1/jobs/{job_id}/events"))
    kinds = [event["kind"] for event in events]
    assert kinds[:3] == ["queued", "started", "run_started"] and kinds[-1] == "completed"
    assert "node_finished" in kinds
