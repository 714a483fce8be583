"""Commits a volume's changes in batches: regularly while there is work, and whenever somebody has to be sure."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from adapters.host.threads import background_thread
from adapters.service.blobs.errors import VolumeUnavailable

EVERY_S = 10.0
_log = logging.getLogger(__name__)


class Commits:
    """One thread commits; those who ask for it at the same time share a commit.

    ``commit`` makes what was written until now visible to other containers; it may raise anything. ``always``: it is
    called regularly without work too.
    """

    def __init__(self, commit: Callable[[], None], every_s: float = EVERY_S, *, always: bool = False) -> None:
        self._commit, self._every_s = commit, every_s
        self._condition = threading.Condition()
        self._working = int(always)
        self._asked = self._done = 0
        self._failure: Exception | None = None
        self._committed_at = time.monotonic()
        self._closed = False
        self._thread = background_thread("commits", self._run)

    def start(self) -> None:
        """Before this, nothing is committed. Not before a snapshot: threads with connections do not survive one."""
        self._thread.start()

    @contextmanager
    def work(self) -> Iterator[None]:
        """While a job runs, commits happen every ``every_s``; one more comes soon after it."""
        with self._condition:
            self._working += 1
            self._condition.notify_all()
        try:
            yield
        finally:
            with self._condition:
                self._working -= 1
            self.soon()

    def soon(self) -> None:
        """Have all that was written until now committed, without waiting for it."""
        with self._condition:
            self._asked += 1
            self._condition.notify_all()

    def now(self) -> None:
        """Return when all that was written until now is committed. Raises ``VolumeUnavailable``."""
        with self._condition:
            self._asked += 1
            mine = self._asked
            self._condition.notify_all()
            self._condition.wait_for(lambda: self._done >= mine or self._closed)
            failure = self._failure if self._done >= mine else VolumeUnavailable("the container is shut down")
        if failure is not None:
            raise VolumeUnavailable(
                f"what was written could not be committed to the volume: {failure}",
                remedy="look at the volume in Modal's dashboard, then submit the job again",
            ) from failure

    def close(self) -> None:
        """Commit once more, then no more."""
        self.soon()
        with self._condition:
            self._closed = True
            self._condition.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while True:
            with self._condition:
                while not self._is_due() and not self._closed:
                    self._condition.wait(self._wait_s())
                if not self._is_due():
                    return
                covered = self._asked
            failure = self._attempt()
            with self._condition:
                self._done, self._failure = covered, failure
                self._committed_at = time.monotonic()
                self._condition.notify_all()

    def _attempt(self) -> Exception | None:
        try:
            self._commit()
        except Exception as error:  # noqa: BLE001 - the SDK raises what it likes, and the thread must go on
            _log.warning("the volume is not committed: %s", error)
            return error
        return None

    def _is_due(self) -> bool:
        return self._asked > self._done or (self._working > 0 and self._wait_s() == 0)

    def _wait_s(self) -> float | None:
        if not self._working:
            return None
        return max(0.0, self._committed_at + self._every_s - time.monotonic())
