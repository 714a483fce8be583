"""Tells the others that this worker lives, what state it is in, and what it holds."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from adapters.store import Store

_log = logging.getLogger(__name__)


class Heartbeat:
    """A thread that writes the worker's row every ``every_s``, and at once when the state changes.

    ``info`` gives what the row says besides; it is called in that thread.
    """

    def __init__(self, store: Store, worker_id: str, every_s: float, info: Callable[[], Mapping[str, Any]]) -> None:
        self._workers = store.workers
        self._id = worker_id
        self._every_s = every_s
        self._info = info
        self._state = "starting"
        self._now = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Enter the worker as starting."""
        self._register()
        self._thread.start()

    def change(self, state: str) -> None:
        """``ready`` or ``draining``: everybody is told now."""
        self._state = state
        self._now.set()

    def close(self) -> None:
        """The worker ends: its row goes."""
        self._closed = True
        self._now.set()
        self._thread.join()
        try:
            self._workers.remove(self._id)
        except SQLAlchemyError as error:
            _log.warning("this worker is not signed off: %s", error)

    def _register(self) -> None:
        self._workers.register(self._id, socket.gethostname(), os.getpid(), dict(self._info()))

    def _run(self) -> None:
        while True:
            self._now.wait(self._every_s)
            self._now.clear()
            if self._closed:
                return
            try:
                if not self._workers.beat(self._id, self._state, self._info()):
                    self._register()  # It was taken for dead, for example while the machine slept.
                    self._workers.beat(self._id, self._state, self._info())
            except SQLAlchemyError as error:
                _log.warning("the heartbeat is not written: %s", error)
