"""Regular upkeep of what all processes share: gives back lost jobs, forgets old ones, deletes unreferenced blobs."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from sqlalchemy.exc import SQLAlchemyError

from adapters.host.settings import Settings
from adapters.service.blobs.errors import BlobStoreUnavailable
from adapters.service.blobs.store import BlobStore
from adapters.service.leftovers import remove_leftovers
from adapters.service.new_files import sweep_parts
from adapters.service.steadiness import Steadiness
from adapters.service.store import Store
from adapters.service.store.outage import report_outage
from engine.counted import counted

CLEAN_EVERY_S = 3600.0
_DAY_S = 86_400.0
_BATCH = 50  # other writers wait for one of them
_FORGOTTEN_LEASES = 4  # after which a worker's row goes; if it lives, it enters itself again
_SILENT = {"type": "WorkerLost", "message": "the worker stopped answering", "remedy": "its log says more"}
_log = logging.getLogger(__name__)


class Maintenance:
    """Several processes may do it at the same time."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store, self._settings = store, settings
        self._steadiness = Steadiness(settings.lease_s)
        self._clean_at = time.monotonic() + CLEAN_EVERY_S
        _log.info("%s", _told(settings))

    def tick(self, at_work: Sequence[str] = ()) -> None:
        """To be called a few times in each lease time. Never raises for a database that does not answer.

        ``at_work``: workers that are known to live, whatever their leases say.
        """
        try:
            self._take_back(at_work)
            if time.monotonic() >= self._clean_at:
                self._clean_at = time.monotonic() + CLEAN_EVERY_S
                clean_up(self._store, self._settings)
        except (SQLAlchemyError, BlobStoreUnavailable, OSError) as error:
            self._steadiness.failed()
            report_outage(_log, error, "maintenance is put off")

    def some_worker_is_ready(self) -> bool:
        """Whether the heartbeats tell of one; false while the database does not answer."""
        try:
            return any(one.state == "ready" for one in self._store.workers.alive(self._settings.lease_s))
        except SQLAlchemyError as error:
            report_outage(_log, error, "the database does not answer")
            return False

    def _take_back(self, at_work: Sequence[str]) -> None:
        began_at = time.monotonic()

        def disturbed(clock: float) -> bool:
            return self._steadiness.disturbed(began_at, clock)

        for job_id in self._store.leases.take_back(None, _SILENT, unless=disturbed, but=at_work):
            _log.warning("taken back: its lease ran out", extra={"job_id": job_id})
        self._store.workers.forget(_FORGOTTEN_LEASES * self._settings.lease_s)


def _told(settings: Settings) -> str:
    """What is kept for how long, for whoever starts the service."""
    files = "their files, also in the output folder," if settings.retention_output == "with_job" else "their blobs"
    return f"jobs and {files} go {settings.retention_days:g} days after their end (DAGFUSION_RETENTION_DAYS)"


def clean_up(store: Store, settings: Settings, older_than_days: float | None = None) -> tuple[int, int]:
    """Forget jobs that ended longer ago than that (``retention_days`` by default), with all that they made or brought.

    What another job has too stays, and so does what no job wrote. Returns how many jobs, how many files. Raises
    ``BlobStoreUnavailable``.
    """
    from adapters.service.intake.placing import sweep_placed

    days = settings.retention_days if older_than_days is None else older_than_days
    forgotten = 0
    while count := store.jobs.forget(ended_before=time.time() - days * _DAY_S, limit=_BATCH):
        forgotten += count
    blobs = BlobStore(settings.blob_url)
    removed = remove_leftovers(store.leftovers, blobs, settings)
    in_use = store.leftovers.digests()
    removed += len(blobs.sweep(in_use)) + sweep_placed(settings.input, in_use)
    removed += sum(sweep_parts(folder) for folder in (settings.input, settings.output, settings.temp))
    if forgotten or removed:
        _log.info("cleaned up: %s, %s", counted(forgotten, "job"), counted(removed, "file"))
    return forgotten, removed
