"""Takes jobs whose denoising steps can be computed with those of the jobs that are running."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from adapters.run.worker.device import Device
from adapters.run.worker.periodic import PeriodicThread
from adapters.service.store import Store
from adapters.service.store.outage import report_outage
from adapters.service.store.queue import Can
from adapters.service.store.records import Job, Lease

_TICK_S = 0.1
_LOOK_AHEAD = 16
_log = logging.getLogger(__name__)


class Joining(PeriodicThread):
    """A thread beside the worker's main loop.

    ``take`` is given what it claims, and what to call when the job has left the device. ``able``: what the worker has
    that jobs need; ``None`` while it can take none.
    """

    def __init__(
        self,
        store: Store,
        device: Device,
        owner: str,
        lease_s: float,
        take: Callable[[Job, Lease, Callable[[], None]], None],
        able: Callable[[], Can | None],
    ) -> None:
        super().__init__("joining")
        self._store, self._device = store, device
        self._owner, self._lease_s, self._take, self._able = owner, lease_s, take, able
        self._seats = threading.Semaphore(device.engine.at_once - 1)  # the main loop's job has one

    def start(self) -> None:
        """Begin, where jobs can be computed together at all."""
        if self._device.engine.at_once > 1:
            super().start()

    def _round(self) -> None:
        seen = self._store.changes.count
        if not (self._device.has_room and self._join()):
            self._store.changes.wait(seen, _TICK_S)

    def _join(self) -> bool:
        if not self._seats.acquire(blocking=False):
            return False
        claimed = self._claim()
        if claimed is None:
            self._seats.release()
            return False
        self._take(*claimed, self._seats.release)
        return True

    def _claim(self) -> tuple[Job, Lease] | None:
        look_at = _LOOK_AHEAD if self._device.may_overtake else 1

        def fits(job: Job) -> bool:
            return self._device.fits(job.prompt)

        try:
            can = self._able()
            if can is None:
                return None
            return self._store.leases.claim_fitting(self._owner, self._lease_s, fits, look_at, can)
        except SQLAlchemyError as error:
            report_outage(_log, error, "no jobs to join for now")
            return None
