"""Decides which jobs are at the device: one after another, or several that can share forward passes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from engine.context import CancelToken
from engine.errors import Cancelled

# For so long after the first of a group came to the device, jobs that fit it may go before others that came earlier.
PATIENCE_S = 5.0
_CHECK_S = 0.02


@dataclass(eq=False)
class _Waiting:
    outline: str


class Admission:
    """Jobs come to the device in the order of their waiting, up to ``at_once`` of the same outline together."""

    def __init__(self, at_once: int = 1, patience_s: float = PATIENCE_S) -> None:
        self._at_once, self._patience_s = at_once, patience_s
        self._condition = threading.Condition()
        self._present: list[str] = []
        self._began = 0.0
        self._waiting: list[_Waiting] = []

    def fits(self, outline: str) -> bool:
        """Whether a job of this outline would be let in beside those that are there."""
        with self._condition:
            return bool(self._present) and self._goes_with_present(outline)

    @property
    def has_room(self) -> bool:
        """Whether somebody is there and could be joined."""
        with self._condition:
            return 0 < len(self._present) < self._at_once

    @property
    def may_overtake(self) -> bool:
        """Whether who fits those that are there may go before who came earlier: not for ever, or that one starves."""
        return time.monotonic() - self._began < self._patience_s

    @contextmanager
    def place(self, outline: str, cancel: CancelToken, first: Callable[[], None]) -> Iterator[None]:
        """Wait for a place and hold it. ``first`` is called where nobody else is there.

        Raises ``Cancelled`` where the job is cancelled meanwhile.
        """
        mine = _Waiting(outline)
        with self._condition:
            self._waiting.append(mine)
            try:
                while not self._is_next(mine):
                    self._condition.wait(_CHECK_S)
                    if cancel.cancelled:
                        raise Cancelled
                if not self._present:
                    first()
                    self._began = time.monotonic()
                self._present.append(outline)
            finally:
                self._waiting.remove(mine)
                self._condition.notify_all()
        try:
            yield
        finally:
            with self._condition:
                self._present.remove(outline)
                self._condition.notify_all()

    def when_empty(self, act: Callable[[], None]) -> None:
        """Call ``act`` while nobody is let in, unless somebody is there."""
        with self._condition:
            if not self._present:
                act()

    def _is_next(self, mine: _Waiting) -> bool:
        oldest = self._waiting[0]
        if not self._present:
            return mine is oldest
        if not self._goes_with_present(mine.outline):
            return False
        return self._goes_with_present(oldest.outline) or self.may_overtake

    def _goes_with_present(self, outline: str) -> bool:
        return len(self._present) < self._at_once and all(one == outline for one in self._present)
