"""A job that this worker holds: its lease, how it can be stopped, and why it was."""

from __future__ import annotations

import threading
import time
from enum import Enum, auto

from adapters.service.store.records import Job, Lease
from engine.context import CancelToken


class Stop(Enum):
    """Why a job is to stop before its end."""

    CANCELLED = auto()
    TIME_LIMIT = auto()
    LOST = auto()  # the lease is another worker's now, or nobody's: nothing may be written any more


class Stoppable:
    """A run that can be told to stop, by the thread that runs it and by those that watch it. Times are monotonic."""

    def __init__(self, time_limit_s: float, cancel: CancelToken | None = None) -> None:
        self.cancel = cancel or CancelToken()
        self.why: Stop | None = None
        self.stopped_at: float | None = None
        self.deadline = time.monotonic() + time_limit_s
        # From the first node until the last: only then a node can refuse to stop.
        self.running = False
        self._lock = threading.Lock()

    def stop(self, why: Stop) -> None:
        """Ask the run to stop. The first reason counts, but a lost lease always does."""
        with self._lock:
            if self.why is None:
                self.stopped_at = time.monotonic()
            if self.why is None or why is Stop.LOST:
                self.why = why
            self.cancel.cancel()


class LeasedJob(Stoppable):
    """A job that this worker holds, shared by the thread that runs it and those that watch it."""

    def __init__(self, job: Job, lease: Lease) -> None:
        super().__init__(job.time_limit_s)
        self.job = job
        self.lease = lease
        self.renewed_at = time.monotonic()
        self.looked_at = False  # for a wish to cancel it


class LeasedJobs:
    """All jobs that the worker holds now. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[str, LeasedJob] = {}

    def take(self, leased: LeasedJob) -> None:
        """One more."""
        with self._lock:
            self._held[leased.lease.job_id] = leased

    def drop(self, leased: LeasedJob) -> None:
        """The job has ended, here at least."""
        with self._lock:
            self._held.pop(leased.lease.job_id, None)

    def all(self) -> list[LeasedJob]:
        """Those held now."""
        with self._lock:
            return list(self._held.values())
