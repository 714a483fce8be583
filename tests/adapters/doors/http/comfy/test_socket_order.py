"""A client that knows that it is connected misses nothing of what it submits then."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from adapters.doors.http.comfy import socket as route


class _Told:
    """A hub and a connection in one, which write down what is done to them."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.owner, self.only_owner = "", None
        self.application_state = None

    async def accept(self) -> None:
        self.done.append("accept")

    async def receive(self) -> dict[str, Any]:
        return {"type": "websocket.disconnect"}

    async def join(self, *_: object) -> None:
        self.done.append("join")

    async def leave(self, *_: object) -> None:
        self.done.append("leave")


def test_a_client_is_listened_for_before_it_knows_that_it_is_connected(monkeypatch: pytest.MonkeyPatch) -> None:
    told: Any = _Told()
    monkeypatch.setattr(route, "hub_of", lambda *_: told)
    asyncio.run(route.talk(told, told, told, "somebody"))
    assert told.done == ["join", "accept", "leave"]
