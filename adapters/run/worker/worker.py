"""The worker: registers, warms up, takes jobs until it is told to stop, and ends in good order."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from adapters.host.loading import load_engine, load_folders, load_registry, warm_names
from adapters.host.logs import about_job
from adapters.host.settings import Settings
from adapters.run.supervisor.exit_codes import STUCK
from adapters.run.worker.heartbeat import Heartbeat
from adapters.run.worker.info import worker_info
from adapters.run.worker.job_run import QueueRunner, time_limit_error
from adapters.run.worker.joining import Joining
from adapters.run.worker.last_words import Tell
from adapters.run.worker.leased_jobs import LeasedJob, LeasedJobs, Stop
from adapters.run.worker.read_ahead import ReadAhead
from adapters.run.worker.together import Measured, measure_together
from adapters.run.worker.warm import warm
from adapters.run.worker.watch import Watch
from adapters.service.blobs.store import BlobStore
from adapters.service.folder_faults import FolderFaults, run_folders
from adapters.service.needs import Abilities
from adapters.service.store import Store
from adapters.service.store.errors import LeaseLost
from adapters.service.store.outage import reason_of, report_outage
from adapters.service.store.queue import Can
from adapters.service.store.records import Job, Lease
from engine.engine import Engine

_POLL_S = 1.0  # looked for jobs at least that often, should a change go unnoticed
_TICK_S = 0.1  # a signal is noticed within
_RETRY_S = 1.0
_BEATS_A_LEASE = 3
_LAST_WORDS_S = 2.0  # for jobs that were given back to stop by themselves

_log = logging.getLogger(__name__)


class Worker:
    """One process's worker. :meth:`drain` and :meth:`stop_now` may be called from a signal handler.

    ``tell``: who is to know which nodes run, should this process end or hang.
    """

    def __init__(self, settings: Settings, worker_id: str, tell: Tell = lambda _: None) -> None:
        self._tell = tell
        self._settings, self._id = settings, worker_id
        self._store = Store(settings.database)
        self._leased_jobs = LeasedJobs()
        self._engine: Engine | None = None
        self._abilities: Abilities | None = None
        self._folder_faults: FolderFaults | None = None
        self._faults: tuple[str, ...] = ()
        self._measured: Measured | None = None
        self._draining = threading.Event()
        self._at_once = threading.Event()
        # A job leaves the device before its outputs are stored: the next one computes meanwhile.
        self._device_slots = threading.Semaphore(settings.concurrency)
        self._all_slots = threading.Semaphore(settings.concurrency + 1)
        every_s = settings.lease_s / _BEATS_A_LEASE
        self._heartbeat = Heartbeat(self._store, worker_id, every_s, self._info)
        self._watch = Watch(
            self._store,
            self._leased_jobs,
            lease_s=settings.lease_s,
            grace_s=settings.stop_grace_s,
            stuck=self._end_stuck,
        )

    @property
    def starting(self) -> bool:
        """Whether no job can have been taken yet."""
        return self._engine is None

    @property
    def busy(self) -> bool:
        """Whether jobs are in hand; after the end: given back, but their nodes do not stop."""
        return bool(self._leased_jobs.all())

    @property
    def draining(self) -> bool:
        """Whether it was told to stop."""
        return self._draining.is_set()

    def drain(self) -> None:
        """Take no more jobs, and end with those in hand."""
        self._draining.set()

    def stop_now(self) -> None:
        """Give back the jobs in hand and end."""
        self._draining.set()
        self._at_once.set()

    def run(self) -> None:
        """Work until told to stop. Raises ``DagfusionError`` where it cannot begin."""
        self._heartbeat.start()
        try:
            blobs = BlobStore(self._settings.blob_url)
            self._folder_faults = FolderFaults(self._store, blobs, run_folders(self._settings))
            registry = load_registry(self._settings)
            engine = load_engine(self._settings, registry, load_folders(self._settings))
            names = warm_names(self._settings)
            warm(engine, names)
            if self._settings.together == "auto":
                self._measured = measure_together(engine, names)
            self._abilities = abilities = Abilities(registry, engine.folders, self._heartbeat.hurry)
            self._engine = engine
            self._heartbeat.change("ready")
            _log.info("ready on %s", engine.models.device)
            runner = QueueRunner(engine, self._store, blobs, self._settings.together_patience_s, self._tell)
            self._work(runner, abilities)
        finally:
            self._heartbeat.close()
            self._store.close()

    def _work(self, runner: QueueRunner, abilities: Abilities) -> None:
        self._watch.start()
        at_once = runner.engine.at_once
        pool = ThreadPoolExecutor(self._settings.concurrency + at_once, thread_name_prefix="job")

        def join(job: Job, lease: Lease, left: Callable[[], None]) -> None:
            self._begin(pool, runner, LeasedJob(job, lease), left, lambda: None)

        joining = Joining(self._store, runner.device, self._id, self._settings.lease_s, join, self._can)
        ahead = ReadAhead(self._store, runner.engine.registry, runner.engine.folders, abilities.can)
        joining.start()
        ahead.start()
        try:
            self._take_jobs(runner, pool)
        except BaseException:
            self.stop_now()
            raise
        finally:
            self._heartbeat.change("draining")
            joining.close()
            ahead.close()
            self._finish()
            self._watch.close()
            pool.shutdown(wait=not self.busy, cancel_futures=True)

    def _take_jobs(self, runner: QueueRunner, pool: ThreadPoolExecutor) -> None:
        """Start one job after the other, until told to stop."""
        while not self._draining.is_set() and self._acquire():
            seen = self._store.changes.count
            if not self._take_one(runner, pool):
                if not self.busy:
                    runner.idle()
                self._wait(seen)

    def _wait(self, seen: int) -> None:
        until = time.monotonic() + _POLL_S
        while not self._draining.is_set() and time.monotonic() < until:
            if self._store.changes.wait(seen, _TICK_S) != seen:
                return

    def _take_one(self, runner: QueueRunner, pool: ThreadPoolExecutor) -> bool:
        """Claim a job and start it, or let go of what :meth:`_acquire` took; False where none waits."""
        claimed = None
        try:
            can = self._can()
            if can is not None:
                claimed = self._store.leases.claim(self._id, self._settings.lease_s, can)
        except SQLAlchemyError as error:
            report_outage(_log, error, "no jobs for now")
            time.sleep(_RETRY_S)
        if claimed is None:
            self._device_slots.release()
            self._all_slots.release()
            return False
        self._begin(pool, runner, LeasedJob(*claimed), self._device_slots.release, self._all_slots.release)
        return True

    def _can(self) -> Can | None:
        """Which jobs it can take: none where what they make could not be kept, which would be computed in vain."""
        faults = () if self._folder_faults is None else self._folder_faults.found()
        if faults != self._faults:
            self._faults = faults
            self._heartbeat.hurry()
        return None if faults or self._abilities is None else self._abilities.can

    def _info(self) -> dict[str, Any]:
        abilities = self._abilities
        about = None if abilities is None else abilities.about(self._store.jobs.needs_waiting())
        return worker_info(self._engine, self._leased_jobs, self._faults, about, self._measured)

    def _acquire(self) -> bool:
        """A free hand and a turn at the device; False where the worker drains before there is one."""
        while not self._draining.is_set():
            if not self._all_slots.acquire(timeout=_TICK_S):
                continue
            while not self._draining.is_set():
                if self._device_slots.acquire(timeout=_TICK_S):
                    return True
            self._all_slots.release()
        return False

    def _begin(
        self,
        pool: ThreadPoolExecutor,
        runner: QueueRunner,
        leased: LeasedJob,
        left_device: Callable[[], None],
        ended: Callable[[], None],
    ) -> None:
        self._leased_jobs.take(leased)
        pool.submit(self._run_job, runner, leased, left_device, ended)

    def _run_job(
        self, runner: QueueRunner, leased: LeasedJob, left_device: Callable[[], None], ended: Callable[[], None]
    ) -> None:
        with about_job(leased.job.id):
            try:
                _log.info("started, attempt %d of %d", leased.job.attempts, leased.job.max_attempts)
                runner.run(leased, left_device)
            except Exception:  # noqa: BLE001 - the worker goes on with the next job
                _log.exception("the end of the job could not be recorded; its lease will run out")
            finally:
                self._leased_jobs.drop(leased)
                ended()

    def _finish(self) -> None:
        """Let the jobs in hand end, for as long as that may take; give back the others."""
        until = time.monotonic() + self._settings.drain_s
        while self._leased_jobs.all() and time.monotonic() < until and not self._at_once.is_set():
            time.sleep(_TICK_S / 4)
        for leased in self._leased_jobs.all():
            self._give_back(leased, "WorkerStopped", "the worker was shut down")
        until = time.monotonic() + _LAST_WORDS_S
        while self._leased_jobs.all() and time.monotonic() < until:
            time.sleep(_TICK_S / 4)

    def _give_back(self, leased: LeasedJob, kind: str, message: str) -> None:
        try:
            reason = {"type": kind, "message": message, "remedy": ""}
            self._store.leases.give_back(leased.lease, reason, spared=True)
            _log.info("job %s is given back: %s", leased.job.id, message)
        except (LeaseLost, SQLAlchemyError) as error:
            _log.info("job %s is not given back: %s", leased.job.id, reason_of(error))
        leased.stop(Stop.LOST)

    def _end_stuck(self, leased: LeasedJob) -> None:
        """A node does not heed that it is to stop: end the job, give back the others, and end the process."""
        _log.error("job %s does not stop; this worker ends itself", leased.job.id)
        leases = self._store.leases
        try:
            if leased.why is Stop.TIME_LIMIT:
                leases.fail(leased.lease, time_limit_error(leased.job.time_limit_s))
            elif leased.why is Stop.CANCELLED:
                leases.cancelled(leased.lease)
        except (LeaseLost, SQLAlchemyError) as error:
            _log.warning("the end of job %s is not written: %s", leased.job.id, reason_of(error))
        for other in self._leased_jobs.all():
            if other is not leased:
                self._give_back(other, "WorkerLost", "a node of another job did not stop, so the worker ended itself")
        os._exit(STUCK)
