"""Clients of the shared service, also over a connection that breaks all the time."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from dagfusion_client import Client
from tests.adapters.services import Service


@pytest.fixture
def client(service: Service) -> Iterator[Client]:
    """Leaves an empty queue behind: other tests count what is in it."""
    with Client(service.url) as client:
        yield client
        for job in [one for state in ("queued", "running") for one in client.jobs(state=state)]:
            client.cancel(job.id)
            service.ended(job.id)


@pytest.fixture
def breaking_url(service: Service) -> Iterator[str]:
    """The service behind a relay on loopback that cuts every connection 50 ms after the first bytes came back."""
    host, port = service.url.removeprefix("http://").split(":")
    listener = socket.create_server(("127.0.0.1", 0))

    def cut(*ends: socket.socket) -> None:
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def pump(source: socket.socket, sink: socket.socket, cutting: threading.Timer | None = None) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
                if cutting is not None and cutting.ident is None:
                    cutting.start()
        cut(source, sink)

    def accept() -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection((host, int(port)))
                cutting = threading.Timer(0.05, cut, (near, far))
                for ends in ((near, far), (far, near, cutting)):
                    threading.Thread(target=pump, args=ends, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    listener.close()
