"""The web application alone, on a real socket, with settings of the test's own; and a worker that the test plays."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

from adapters.doors.http.app import create_app
from adapters.doors.http.services import Services
from adapters.doors.http.sockets import SocketLimits, uvicorn_options
from adapters.host.settings import Settings
from adapters.service.store.records import Lease, NewEvent, Output
from tests.adapters.services import until

PICTURE = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 16, "height": 16, "batch_size": 1, "color": 255}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "test"}},
}


@dataclass
class Web:
    """A running application. ``services`` are its own, so that a test can play the worker."""

    url: str
    app: FastAPI
    folder: Path

    @property
    def services(self) -> Services:
        found: Services = self.app.state.services
        return found

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def client(self, **options: Any) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=90, **options)

    def claim(self) -> Lease:
        """Take the job that is next, as a worker does."""
        claimed = self.services.store.leases.claim("tester", 60)
        assert claimed is not None
        return claimed[1]

    def record(self, lease: Lease, count: int, start: int = 0) -> None:
        """Events of a run, a few in each transaction."""
        for number in range(start, start + count):
            progress = NewEvent("node_progress", {"node_id": "1", "value": number, "total": count})
            self.services.store.leases.record(lease, [progress])

    def complete(self, lease: Lease, outputs: Sequence[Output] = ()) -> None:
        self.services.store.leases.complete(lease, outputs, {"seconds": 0.1})

    def made(self, name: str, data: bytes, media_type: str) -> Output:
        """A file that a node made, in the blob store."""
        blob = self.services.blobs.put_bytes(data)
        return Output(
            name=name,
            node_id="2",
            class_type="SaveImage",
            kind="images",
            cached=False,
            media_type=media_type,
            size_bytes=blob.size_bytes,
            digest=blob.digest,
            folder="output",
            subfolder="",
            filename=name,
        )

    def job_with(self, client: httpx.Client, *outputs: Output, **request: Any) -> str:
        """A job that has ended with these outputs; its id."""
        reply = client.post("/v1/jobs", json={"workflow": PICTURE, **request})
        assert reply.status_code == 202, reply.text
        self.complete(self.claim(), outputs)
        return str(reply.json()["id"])


@contextmanager
def serving(folder: Path, **settings: Any) -> Iterator[Web]:
    """The application without any worker. Stops it at the end."""
    places = {name: folder / name for name in ("data", "input", "output", "temp")}
    for place in places.values():
        place.mkdir(parents=True, exist_ok=True)
    chosen = Settings(**{**places, **settings})
    with serving_app(create_app(chosen), folder, chosen) as web:
        yield web


@contextmanager
def serving_app(app: Any, folder: Path, chosen: Settings) -> Iterator[Web]:
    """An application, on a free port of the loopback interface. Stops it at the end."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    config = uvicorn.Config(
        app, log_config=None, lifespan="on", timeout_graceful_shutdown=1, **uvicorn_options(SocketLimits(chosen))
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        until(lambda: server.started or not thread.is_alive())
        assert server.started, "the application did not start"
        yield Web(f"http://127.0.0.1:{listener.getsockname()[1]}", app, folder)
    finally:
        server.should_exit = True
        thread.join(60)
        listener.close()
        assert not thread.is_alive(), "the application did not stop"


def eventually(look: Any, timeout_s: float = 60.0) -> Any:
    """What ``look`` gives once it no longer raises an assertion."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return look()
        except AssertionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
