"""Lets threads to a database, and only one at a time once it has stopped to answer: the others hear so at once.

Otherwise each would wait for the full timeout, and soon no thread would be left for work that needs no database.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import TimeoutError as PoolTimeout

from adapters.service.store.errors import AWAY, DatabaseSilent


class Gate:
    """At most ``most`` are let through at a time; others wait for them as long as anyone is answered.

    A database that answers nobody for ``stall_s`` hangs: from then on until the next answer, one at a time tries it.
    """

    def __init__(self, most: int, stall_s: float) -> None:
        self._most, self._stall_s = most, stall_s
        self._condition = threading.Condition()
        self._inside = 0
        self._hangs = False
        self._answered_at = 0.0  # or when the first of those inside came

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Around a use of the database. Raises ``DatabaseSilent`` where it hangs and somebody tries it already."""
        self._enter()
        began_at, answered = time.monotonic(), True
        try:
            yield
        except (*AWAY, PoolTimeout):  # any other error is an answer
            answered = time.monotonic() < began_at + self._stall_s
            raise
        finally:
            self._leave(answered)

    def _enter(self) -> None:
        with self._condition:
            while not self._may_enter():
                if self._stalled():
                    raise DatabaseSilent
                self._condition.wait(max(0.0, self._answered_at + self._stall_s - time.monotonic()))
            if not self._inside:
                self._answered_at = time.monotonic()
            self._inside += 1

    def _may_enter(self) -> bool:
        return not self._inside if self._stalled() else self._inside < self._most

    def _stalled(self) -> bool:
        return self._hangs or (self._inside > 0 and time.monotonic() >= self._answered_at + self._stall_s)

    def _leave(self, answered: bool) -> None:
        with self._condition:
            self._inside -= 1
            self._hangs = not answered
            if answered:
                self._answered_at = time.monotonic()
                self._condition.notify()
            else:
                self._condition.notify_all()
