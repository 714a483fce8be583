# Generated from ../_async by `python -m client.generate_sync`.
"""A job's events over a WebSocket that reconnects: every event once, in order, whatever happens to the connection."""

from __future__ import annotations

import time
from collections.abc import Iterator

from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import connect

from dagfusion_client.models import EventDocument
from dagfusion_client.requests import headers
from dagfusion_client.streams import Cursor, Preview

_MAX_BYTES = 64 * 2**20
_LOST = (OSError, WebSocketException, TimeoutError, EOFError)


def follow(cursor: Cursor) -> Iterator[EventDocument | Preview]:
    """Everything after the cursor, until the job's last event. Raises ``Refused``, ``Unreachable``."""
    sent = headers(cursor.api_key)
    while not cursor.over():
        try:
            with connect(cursor.url, additional_headers=sent, max_size=_MAX_BYTES) as socket:
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
