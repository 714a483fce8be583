"""What is logged, in whichever thread, goes to the sockets of those who have subscribed, while they are open."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator

import pytest

from adapters.doors.http.comfy.hub import Client
from adapters.doors.http.comfy.log_feed import LogFeed
from adapters.doors.http.comfy.messages import Message
from adapters.doors.http.comfy.outbox import SendQueue
from adapters.host.recent_logs import RECENT

ANN: Client = ("ann", "tab")


@pytest.fixture(autouse=True)
def nobody_listens() -> Iterator[None]:
    yield
    assert not RECENT.listeners


def log(text: str) -> None:
    RECENT.emit(logging.LogRecord("a", logging.INFO, "a.py", 1, text, None, None))


async def lines(outbox: SendQueue, count: int) -> list[str]:
    found: list[str] = []
    while len(found) < count:
        message = await outbox.next()
        assert isinstance(message, Message)
        assert message.type == "logs"
        found += [entry["m"] for entry in message.data["entries"]]
    return found


def test_lines_of_all_threads_arrive_in_order() -> None:
    async def watch() -> None:
        outbox = SendQueue("tab")
        feed = LogFeed({ANN: outbox}.get)
        log("too early")
        feed.subscribe(ANN)
        thread = threading.Thread(target=lambda: [log(str(number)) for number in range(100)])
        thread.start()
        assert await lines(outbox, 100) == [f"{number}\n" for number in range(100)]
        thread.join()
        feed.unsubscribe(ANN)
        log("too late")
        feed.subscribe(ANN)
        log("again")
        assert await lines(outbox, 1) == ["again\n"]
        feed.unsubscribe(ANN)

    asyncio.run(watch())


def test_who_is_gone_is_forgotten() -> None:
    async def watch() -> None:
        open_sockets = {ANN: SendQueue("tab"), ("ben", "tab"): SendQueue("tab")}
        feed = LogFeed(open_sockets.get)
        for client in tuple(open_sockets):
            feed.subscribe(client)
        ben = open_sockets["ben", "tab"]
        del open_sockets[ANN]
        log("one")
        assert await lines(ben, 1) == ["one\n"]
        open_sockets.clear()
        log("two")
        while RECENT.listeners:
            await asyncio.sleep(0)

    asyncio.run(watch())
