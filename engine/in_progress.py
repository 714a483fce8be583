"""Outputs that runs are still making after they have left the device, so that the next run waits for them."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from engine.context import CancelToken

_CHECK_S = 0.05


class InProgress:
    """Keys of outputs that are being made, each with the run that makes it: the first that said so. Thread-safe."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._makers: dict[str, object] = {}

    def add(self, maker: object, keys: Iterable[str]) -> None:
        """``maker`` makes these from now on, except for those that another run already makes."""
        with self._condition:
            for key in keys:
                self._makers.setdefault(key, maker)

    def remove(self, maker: object, keys: Iterable[str]) -> None:
        """``maker`` has made these, or will not make them after all."""
        with self._condition:
            for key in keys:
                if self._makers.get(key) is maker:
                    del self._makers[key]
            self._condition.notify_all()

    def wait(self, maker: object, key: str, cancel: CancelToken) -> None:
        """Until nobody but ``maker`` is making ``key``, or ``cancel`` says stop.

        Two never wait for each other: a maker waits only for those that came to be makers before it.
        """
        with self._condition:
            while self._makers.get(key, maker) is not maker and not cancel.cancelled:
                self._condition.wait(_CHECK_S)
