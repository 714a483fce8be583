"""Watches over the jobs in hand: renews their leases, stops those that are cancelled or out of time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from adapters.run.worker.leased_jobs import LeasedJob, LeasedJobs, Stop
from adapters.run.worker.periodic import PeriodicThread
from adapters.service.store import Store
from adapters.service.store.errors import LeaseLost
from adapters.service.store.outage import report_outage

_TICK_S = 0.25
_BETWEEN_LOOKS_S = 0.025  # however often the database changes
_log = logging.getLogger(__name__)


class Watch(PeriodicThread):
    """A thread. ``stuck`` is called with a job that still runs ``grace_s`` after it was told to stop."""

    def __init__(
        self,
        store: Store,
        leased_jobs: LeasedJobs,
        *,
        lease_s: float,
        grace_s: float,
        stuck: Callable[[LeasedJob], None],
    ) -> None:
        super().__init__("watch", _BETWEEN_LOOKS_S)
        self._store, self._leased_jobs = store, leased_jobs
        self._lease_s, self._grace_s = lease_s, grace_s
        self._stuck = stuck
        self._seen = 0  # changes, until the last look

    def _round(self) -> None:
        seen = self._store.changes.count
        for leased in self._leased_jobs.all():
            self._look(leased, changed=seen != self._seen)
        self._seen = seen
        self._store.changes.wait(seen, _TICK_S)

    def _look(self, leased: LeasedJob, *, changed: bool) -> None:
        now = time.monotonic()
        try:
            if self._cancelled(leased, now, changed=changed):
                leased.stop(Stop.CANCELLED)
        except LeaseLost:
            leased.stop(Stop.LOST)
        except SQLAlchemyError as error:
            leased.looked_at = False  # whether it is to be cancelled is not known
            report_outage(_log, error, "whether job %s is to stop is not known", leased.lease.job_id)
        if now >= leased.deadline:
            leased.stop(Stop.TIME_LIMIT)
        if leased.running and leased.stopped_at is not None and now >= leased.stopped_at + self._grace_s:
            self._stuck(leased)

    def _cancelled(self, leased: LeasedJob, now: float, *, changed: bool) -> bool:
        """Hold the job for longer where it is time; whether its cancellation was asked for, as far as that is new."""
        if now >= leased.renewed_at + self._lease_s / 3:
            try:
                asked = self._store.leases.renew(leased.lease, self._lease_s)
            except SQLAlchemyError as error:  # a database whose disk is full can still be read
                report_outage(_log, error, "the lease of job %s is not renewed", leased.lease.job_id)
            else:
                leased.renewed_at = now
                return asked
        if not changed and leased.looked_at:
            return False
        asked = self._store.leases.cancel_requested(leased.lease)
        leased.looked_at = True
        return asked
