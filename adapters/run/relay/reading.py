"""Reads the far side's messages in a thread of its own, so that whoever waits for them can do so with a timeout."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from adapters.host.threads import start_thread
from adapters.run.relay.far import FarMessage
from engine.errors import first_line

_MAX_UNREAD = 64
_CHECK_S = 0.1
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Over:
    """No more messages come. ``reason``: what the far side raised, in one line; empty where it just ended."""

    reason: str = ""


class MessageReader:
    """``begin`` returns the messages. It is called, and they are read, in the reader's thread."""

    def __init__(self, begin: Callable[[], Iterator[FarMessage]], name: str) -> None:
        self._begin = begin
        self._unread: queue.Queue[FarMessage | Over] = queue.Queue(_MAX_UNREAD)
        self._left = threading.Event()
        start_thread(name, self._read)

    def next(self, timeout_s: float) -> FarMessage | Over | None:
        """The next message; ``None`` where none came in that time."""
        try:
            return self._unread.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def leave(self) -> None:
        """Nobody listens any more: what still comes is read to its end, and thrown away."""
        self._left.set()

    def _read(self) -> None:
        over = Over()
        try:
            for message in self._begin():
                self._put(message)
        except Exception as error:  # noqa: BLE001 - clouds' libraries raise what they like
            _log.info("the far side failed: %r", error)
            over = Over(first_line(error))
        self._put(over)

    def _put(self, message: FarMessage | Over) -> None:
        while not self._left.is_set():
            try:
                return self._unread.put(message, timeout=_CHECK_S)
            except queue.Full:
                continue
        return None
