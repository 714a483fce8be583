"""Jobs whose worker has died run alone: several jobs together may need more memory than one, which kills workers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from engine.context import CancelToken
from engine.errors import Cancelled

_CHECK_S = 0.02


class Solitude:
    """Lets in any number of jobs, or a single one that must be alone. Jobs that come after such a one wait for it."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._present = 0
        self._alone = False
        self._waiting = 0

    @contextmanager
    def place(self, cancel: CancelToken, *, alone: bool) -> Iterator[None]:
        """Wait to be let in, and stay. Raises ``Cancelled`` where the job is cancelled meanwhile."""
        with self._condition:
            self._waiting += alone
            try:
                self._wait(cancel, self._is_empty if alone else self._is_open)
            finally:
                self._waiting -= alone
            self._present += 1
            self._alone = alone
        try:
            yield
        finally:
            with self._condition:
                self._present -= 1
                self._alone = False
                self._condition.notify_all()

    def _wait(self, cancel: CancelToken, may_enter: Callable[[], bool]) -> None:
        while not may_enter():
            self._condition.wait(_CHECK_S)
            if cancel.cancelled:
                self._condition.notify_all()
                raise Cancelled

    def _is_empty(self) -> bool:
        return self._present == 0

    def _is_open(self) -> bool:
        return not self._alone and not self._waiting
