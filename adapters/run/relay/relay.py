"""Takes jobs from the queue and has them run far away, several at a time. To the other processes it is a worker."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from adapters.host.logs import about_job
from adapters.host.threads import start_thread
from adapters.run.relay.far import FarRun, Patience
from adapters.run.relay.far_job import FarJob
from adapters.run.worker.heartbeat import Heartbeat
from adapters.run.worker.leased_jobs import LeasedJob, LeasedJobs, Stop
from adapters.run.worker.periodic import PeriodicThread
from adapters.run.worker.watch import Watch
from adapters.service.store import Store
from adapters.service.store.errors import LeaseLost
from adapters.service.store.outage import report_outage
from adapters.service.store.records import Job, Lease

_POLL_S = 1.0  # looked for jobs at least that often, should a change go unnoticed
_TICK_S = 0.1
_RETRY_S = 1.0
_BEATS_A_LEASE = 3
_LAST_WORDS_S = 2.0  # for jobs that were given back to stop by themselves
_STOPPED = {"type": "WorkerStopped", "message": "the service was shut down", "remedy": "submit it again"}
_log = logging.getLogger(__name__)


class Relay(PeriodicThread):
    """``run`` is called in a thread for each job, at most ``slots`` at a time.

    ``name`` is the worker's id, which no other process may have. ``about``: what its row says of it. ``tick`` is called
    several times a second from one thread, for what else has to be done from time to time. ``after_job``: called when
    a job's end is recorded.
    """

    def __init__(
        self,
        store: Store,
        run: FarRun,
        *,
        name: str,
        slots: int,
        lease_s: float = 15.0,
        patience: Patience | None = None,
        about: Mapping[str, Any] | None = None,
        tick: Callable[[], None] = lambda: None,
        after_job: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__("relay")
        self._store, self._far, self._name, self._lease_s = store, run, name, lease_s
        self._patience = patience or Patience()
        self._tick, self._after_job = tick, after_job
        self._leased_jobs = LeasedJobs()
        self._slots = threading.Semaphore(slots)
        told = {"slots": slots, **(about or {})}
        self._heartbeat = Heartbeat(
            store,
            name,
            lease_s / _BEATS_A_LEASE,
            lambda: {"jobs": [leased.job.id for leased in self._leased_jobs.all()], **told},
        )
        # Jobs that do not stop are on another machine: the relay leaves them to themselves.
        self._watch = Watch(store, self._leased_jobs, lease_s=lease_s, grace_s=0.0, stuck=lambda _leased: None)

    def start(self) -> None:
        """Enter the relay as a worker that is ready, and take jobs from now on."""
        self._heartbeat.start()
        self._heartbeat.change("ready")
        self._watch.start()
        super().start()

    def close(self, drain_s: float = 0.0) -> None:
        """Take no more jobs, wait ``drain_s`` for those in hand, and give back the others. Nothing, the second time."""
        if self.closed:
            return
        super().close()
        self._heartbeat.change("draining")
        self._wait_for_hands(drain_s)
        for leased in self._leased_jobs.all():
            self._give_back(leased)
        self._wait_for_hands(_LAST_WORDS_S)
        self._watch.close()
        self._heartbeat.close()

    def _round(self) -> None:
        self._tick()
        if self._slots.acquire(timeout=_TICK_S):
            self._take_one()

    def _take_one(self) -> None:
        """Send the job that is next, or wait until there may be one. A slot is taken already."""
        seen = self._store.changes.count
        claimed = self._claim()
        if claimed is None:
            self._slots.release()
            self._wait(seen)
            return
        leased = LeasedJob(*claimed)
        job = FarJob(self._store, leased, self._patience)
        self._leased_jobs.take(leased)
        start_thread(f"job {leased.job.id}", partial(self._follow, job, leased))

    def _claim(self) -> tuple[Job, Lease] | None:
        try:
            return self._store.leases.claim(self._name, self._lease_s)
        except SQLAlchemyError as error:
            report_outage(_log, error, "no jobs for now")
            time.sleep(_RETRY_S)
            return None

    def _wait(self, seen: int) -> None:
        until = time.monotonic() + _POLL_S
        while not self.closed and time.monotonic() < until:
            if self._store.changes.wait(seen, _TICK_S) != seen:
                return
            self._tick()

    def _follow(self, job: FarJob, leased: LeasedJob) -> None:
        with about_job(leased.job.id):
            try:
                _log.info("sent, attempt %d of %d", leased.job.attempts, leased.job.max_attempts)
                job.follow(self._far)
            except Exception:  # noqa: BLE001 - the relay goes on with the next job
                _log.exception("the end of the job could not be recorded; its lease will run out")
            finally:
                self._leased_jobs.drop(leased)
                self._slots.release()
                self._after_job()

    def _wait_for_hands(self, limit_s: float) -> None:
        until = time.monotonic() + limit_s
        while self._leased_jobs.all() and time.monotonic() < until:
            time.sleep(_TICK_S / 4)

    def _give_back(self, leased: LeasedJob) -> None:
        try:
            self._store.leases.give_back(leased.lease, _STOPPED, spared=True)
            _log.info("job %s is given back", leased.job.id)
        except (LeaseLost, SQLAlchemyError) as error:
            _log.info("job %s is not given back: %s", leased.job.id, error)
        leased.stop(Stop.LOST)
