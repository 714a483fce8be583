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
        self, store: Store, hands: LeasedJobs, *, lease_s: float, grace_s: float, stuck: Callable[[LeasedJob], None]
    ) -> None:
        super().__init__("watch", _BETWEEN_LOOKS_S)
        self._store, self._hands = store, hands
        self._lease_s, self._grace_s = lease_s, grace_s
        self._stuck = stuck
        self._seen = 0  # changes, until the last look

    def _round(self) -> None:
        seen = self._store.changes.count
        for hand in self._hands.all():
            self._look(hand, changed=seen != self._seen)
        self._seen = seen
        self._store.changes.wait(seen, _TICK_S)

    def _look(self, hand: LeasedJob, *, changed: bool) -> None:
        now = time.monotonic()
        try:
            if self._cancelled(hand, now, changed=changed):
                hand.stop(Stop.CANCELLED)
        except LeaseLost:
            hand.stop(Stop.LOST)
        except SQLAlchemyError as error:
            hand.looked_at = False  # whether it is to be cancelled is not known
            report_outage(_log, error, "whether job %s is to stop is not known", hand.lease.job_id)
        if now >= hand.deadline:
            hand.stop(Stop.TIME_LIMIT)
        if hand.running and hand.stopped_at is not None and now >= hand.stopped_at + self._grace_s:
            self._stuck(hand)

    def _cancelled(self, hand: LeasedJob, now: float, *, changed: bool) -> bool:
        """Hold the job for longer where it is time; whether its cancellation was asked for, as far as that is new."""
        if now >= hand.renewed_at + self._lease_s / 3:
            try:
                asked = self._store.leases.renew(hand.lease, self._lease_s)
            except SQLAlchemyError as error:  # a database whose disk is full can still be read
                report_outage(_log, error, "the lease of job %s is not renewed", hand.lease.job_id)
            else:
                hand.renewed_at = now
                return asked
        if not changed and hand.looked_at:
            return False
        asked = self._store.leases.cancel_requested(hand.lease)
        hand.looked_at = True
        return asked
