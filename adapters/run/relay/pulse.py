"""Sends a sign of life to the other side whenever a run has had no message for a while."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

from adapters.run.direct.messages import Message
from adapters.run.relay.far import Alive
from engine.context import CancelToken

EVERY_S = 5.0


async def with_pulse(
    messages: Iterator[Message], cancel: CancelToken, every_s: float = EVERY_S
) -> AsyncIterator[Message | Alive]:
    """The messages, read in threads, and an ``Alive`` wherever none came in that time.

    A task that is cancelled, or whose reader leaves, sets ``cancel``.
    """
    loop = asyncio.get_running_loop()
    try:
        while True:
            coming = loop.run_in_executor(None, next, messages, None)
            while not (await asyncio.wait({coming}, timeout=every_s))[0]:
                yield Alive()
            message = coming.result()
            if message is None:
                return
            yield message
    finally:
        cancel.cancel()
