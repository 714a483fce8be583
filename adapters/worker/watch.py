"""Watches over the jobs in hand: renews their leases, stops those that are cancelled or out of time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from adapters.store import Store
from adapters.store.errors import LeaseLost
from adapters.worker.in_hand import Hands, InHand, Stop

_TICK_S = 0.25
_BETWEEN_LOOKS_S = 0.025  # however often the database changes
_log = logging.getLogger(__name__)


class Watch:
    """A thread. ``stuck`` is called with a job that still runs ``grace_s`` after it was told to stop."""

    def __init__(
        self, store: Store, hands: Hands, *, lease_s: float, grace_s: float, stuck: Callable[[InHand], None]
    ) -> None:
        self._store, self._hands = store, hands
        self._lease_s, self._grace_s = lease_s, grace_s
        self._stuck = stuck
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        """Start watching."""
        self._thread.start()

    def close(self) -> None:
        """Stop watching."""
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        seen = before = self._store.changes.count
        while not self._closed.wait(_BETWEEN_LOOKS_S):
            for hand in self._hands.all():
                self._look(hand, changed=seen != before)
            before = seen
            seen = self._store.changes.wait(seen, _TICK_S)

    def _look(self, hand: InHand, *, changed: bool) -> None:
        now = time.monotonic()
        try:
            if now >= hand.renewed_at + self._lease_s / 3:
                asked = self._store.leases.renew(hand.lease, self._lease_s)
                hand.renewed_at = now
            else:
                asked = (changed or not hand.looked_at) and self._store.leases.cancel_requested(hand.lease)
                hand.looked_at = True
            if asked:
                hand.stop(Stop.CANCELLED)
        except LeaseLost:
            hand.stop(Stop.LOST)
        except SQLAlchemyError as error:
            _log.warning("the lease of job %s is not renewed yet: %s", hand.lease.job_id, error)
        if now >= hand.deadline:
            hand.stop(Stop.TIME_LIMIT)
        if hand.running and hand.stopped_at is not None and now >= hand.stopped_at + self._grace_s:
            self._stuck(hand)
