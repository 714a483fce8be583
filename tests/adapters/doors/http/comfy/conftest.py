"""A ComfyUI client of the plainest kind: one socket, requests beside it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import websocket

from tests.adapters.services import Service

Received = str | bytes


@dataclass
class Talk:
    """A socket of one clientId, and requests under the same id."""

    http: httpx.Client
    client_id: str
    socket: websocket.WebSocket

    def submit(self, prompt: dict[str, Any], **more: Any) -> str:
        """The prompt's id."""
        reply = self.http.post("/prompt", json={"prompt": prompt, "client_id": self.client_id, **more})
        assert reply.status_code == 200, reply.text
        return str(reply.json()["prompt_id"])

    def receive(self) -> dict[str, Any] | bytes:
        """The next message."""
        message = self.socket.recv()
        return message if isinstance(message, bytes) else json.loads(message)

    def next_picture(self) -> bytes:
        """The next message that is binary."""
        while not isinstance(message := self.receive(), bytes):
            pass
        return message

    def until_done(self, prompt_id: str) -> list[dict[str, Any] | bytes]:
        """All messages up to the one that says that nothing of the prompt runs any more."""
        heard = []
        while True:
            heard.append(message := self.receive())
            if isinstance(message, dict) and message["data"] == {"node": None, "prompt_id": prompt_id}:
                return heard

    def history(self, prompt_id: str) -> dict[str, Any]:
        """The prompt's entry."""
        entry: dict[str, Any] = self.http.get(f"/history/{prompt_id}").json()[prompt_id]
        return entry


def types(heard: list[dict[str, Any] | bytes]) -> list[str]:
    """The messages' types; binary ones are ``binary``."""
    return [message["type"] if isinstance(message, dict) else "binary" for message in heard]


@pytest.fixture
def connect(service: Service, http: httpx.Client) -> Iterator[Callable[..., Talk]]:
    """Opens a socket for a client."""
    open_sockets = []

    def one(client_id: str | None = None, path: str = "/ws") -> Talk:
        client_id = client_id or uuid.uuid4().hex
        url = service.url.replace("http", "ws") + f"{path}?clientId={client_id}"
        socket = websocket.create_connection(url, timeout=60)
        open_sockets.append(socket)
        return Talk(http, client_id, socket)

    yield one
    for socket in open_sockets:
        socket.close()


@pytest.fixture
def talk(connect: Callable[..., Talk]) -> Talk:
    """A connected client that has heard its first message."""
    client = connect()
    client.receive()
    return client
