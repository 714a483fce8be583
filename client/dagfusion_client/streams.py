"""A job's events over a WebSocket that reconnects: every event once, in order, whatever happens to the connection."""

from __future__ import annotations

import asyncio
import json
import struct
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

from websockets.asyncio.client import connect as connect_async
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.sync.client import connect

from dagfusion_client.errors import Refused, Unreachable
from dagfusion_client.models import EventDocument
from dagfusion_client.requests import ENDED, headers, pause_s, socket_url

_MAX_BYTES = 64 * 2**20
_LOST = (OSError, WebSocketException, TimeoutError, EOFError)


@dataclass(frozen=True)
class Preview:
    """An unfinished picture: the bytes of a file of type ``media_type``."""

    job_id: str
    node_id: str
    media_type: str
    version: int
    picture: bytes = field(repr=False)


@dataclass
class Cursor:
    """How far a stream has come, and how long it has been without a connection."""

    base: str
    job_id: str
    after: int
    api_key: str | None
    previews: bool
    give_up_s: float
    failures: int = 0
    lost_at: float | None = None
    last_kind: str = ""

    def over(self) -> bool:
        """Whether the job's last event came."""
        return self.last_kind in ENDED

    @property
    def url(self) -> str:
        """Where to go on."""
        return socket_url(self.base, self.job_id, self.after, self.previews)

    def take(self, message: str | bytes) -> EventDocument | Preview | None:
        """What a message says; ``None`` for an event that came before."""
        self.failures, self.lost_at = 0, None
        if isinstance(message, bytes):
            return _preview(message)
        event = EventDocument.model_validate_json(message)
        if event.number <= self.after:
            return None
        self.after = event.number
        self.last_kind = event.kind
        return event

    def lost(self, error: BaseException) -> float:
        """The connection is gone: how long to wait before the next one. Raises ``Refused``, ``Unreachable``."""
        if isinstance(error, InvalidStatus) and error.response.status_code < 500 and error.response.status_code != 429:
            raise Refused(error.response.status_code, None, (error.response.body or b"").decode(errors="replace"))
        self.lost_at = self.lost_at or time.monotonic()
        self.failures += 1
        if time.monotonic() - self.lost_at > self.give_up_s:
            raise Unreachable(f"{self.base} has not answered for {self.give_up_s:g} s") from error
        return 0.0 if self.failures == 1 else pause_s(self.failures - 2)


def follow(cursor: Cursor) -> Iterator[EventDocument | Preview]:
    """Everything after the cursor, until the job's last event. Raises ``Refused``, ``Unreachable``."""
    while not cursor.over():
        try:
            with connect(cursor.url, additional_headers=headers(cursor.api_key), max_size=_MAX_BYTES) as socket:
                for message in socket:
                    taken = cursor.take(message)
                    if taken is not None:
                        yield taken
            if not cursor.over() and socket.close_code == 1000:
                return  # there was nothing after the cursor
        except _LOST as error:
            if isinstance(error, ConnectionClosed) and cursor.over():
                return
            time.sleep(cursor.lost(error))


async def follow_async(cursor: Cursor) -> AsyncIterator[EventDocument | Preview]:
    """Like :func:`follow`, for asyncio."""
    while not cursor.over():
        try:
            async with connect_async(
                cursor.url, additional_headers=headers(cursor.api_key), max_size=_MAX_BYTES
            ) as socket:
                async for message in socket:
                    taken = cursor.take(message)
                    if taken is not None:
                        yield taken
            if not cursor.over() and socket.close_code == 1000:
                return
        except _LOST as error:
            if isinstance(error, ConnectionClosed) and cursor.over():
                return
            await asyncio.sleep(cursor.lost(error))


def _preview(message: bytes) -> Preview:
    (length,) = struct.unpack_from(">I", message)
    about = json.loads(message[4 : 4 + length])
    return Preview(about["job_id"], about["node_id"], about["media_type"], about["version"], message[4 + length :])
