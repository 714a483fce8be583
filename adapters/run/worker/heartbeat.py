"""Tells the others that this worker lives, what state it is in, and what it holds."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from adapters.run.worker.periodic import PeriodicThread
from adapters.service.store import Store
from adapters.service.store.outage import report_outage

_log = logging.getLogger(__name__)


class Heartbeat(PeriodicThread):
    """A thread that writes the worker's row every ``every_s``, and at once when the state changes.

    ``info`` gives what the row says besides; it is called in that thread.
    """

    def __init__(self, store: Store, worker_id: str, every_s: float, info: Callable[[], Mapping[str, Any]]) -> None:
        super().__init__("heartbeat", every_s)
        self._workers = store.workers
        self._id = worker_id
        self._info = info
        self._state = "starting"
        self._away = False  # the database, at the last beat

    def start(self) -> None:
        """Enter the worker as starting."""
        self._register()
        super().start()

    def change(self, state: str) -> None:
        """``ready`` or ``draining``: everybody is told now."""
        self._state = state
        self.hurry()

    def close(self) -> None:
        """The worker ends: its row goes, unless the database did not answer just now. Then it is forgotten in time."""
        super().close()
        if self._away or not self.ended:
            return
        try:
            self._workers.remove(self._id)
        except SQLAlchemyError as error:
            report_outage(_log, error, "this worker is not signed off")

    def _register(self) -> None:
        self._workers.register(self._id, socket.gethostname(), os.getpid(), dict(self._info()))

    def _round(self) -> None:
        try:
            info = self._info()
            if not self._workers.beat(self._id, self._state, info):
                self._register()  # It was taken for dead, for example while the machine slept.
                self._workers.beat(self._id, self._state, info)
            self._away = False
        except SQLAlchemyError as error:
            self._away = True
            report_outage(_log, error, "the heartbeat is not written")
