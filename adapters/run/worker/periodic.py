"""A thread that does something at intervals, whatever goes wrong meanwhile, until it is closed."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod

from adapters.host.threads import background_thread

_RETRY_S = 1.0
_LAST_ROUND_S = 2.0
_log = logging.getLogger(__name__)


class PeriodicThread(ABC):
    """Pauses for ``pause_s``, does a round, and so on. A round that fails is logged and tried again after a second."""

    def __init__(self, name: str, pause_s: float = 0.0) -> None:
        self._pause_s = pause_s
        self._closed = self._failing = False
        self._now = threading.Event()
        self._thread = background_thread(name, self._run)

    @property
    def closed(self) -> bool:
        """Whether this round is the last one."""
        return self._closed

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def hurry(self) -> None:
        """Do the next round now."""
        self._now.set()

    def close(self) -> None:
        """Do no more, and wait a while for the round that is under way; one that hangs keeps nobody from ending."""
        self._closed = True
        self._now.set()
        if self._thread.is_alive():
            self._thread.join(_LAST_ROUND_S)

    @property
    def ended(self) -> bool:
        """Whether no round is under way any more, after :meth:`close`."""
        return not self._thread.is_alive()

    @abstractmethod
    def _round(self) -> None: ...

    def _run(self) -> None:
        while True:
            self._now.wait(_RETRY_S if self._failing else self._pause_s)
            self._now.clear()
            if self._closed:
                return
            try:
                self._round()
                self._failing = False
            except Exception:  # noqa: BLE001 - nobody would do it any more
                _log.exception("%s: something went wrong; it goes on", self._thread.name)
                self._failing = True
