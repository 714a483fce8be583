"""Writes what a run tells into the database, for as long as the job is this worker's."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from adapters.run.worker.leased_jobs import LeasedJob, Stop
from adapters.service.store import Store
from adapters.service.store.errors import AWAY, LeaseLost
from adapters.service.store.outage import report_outage
from adapters.service.store.records import NewEvent
from engine.counted import counted

_log = logging.getLogger(__name__)


class StoreSink:
    """A recorder's sink. Where the lease is lost, the run is stopped."""

    def __init__(self, store: Store, leased: LeasedJob) -> None:
        self._store, self._leased = store, leased

    def record(self, batch: Sequence[NewEvent], progress: Mapping[str, Any]) -> bool:
        """Write the events and the progress; false while the database is away."""
        try:
            self._store.leases.record(self._leased.lease, batch, progress)
        except LeaseLost:
            self._leased.stop(Stop.LOST)
        except AWAY as error:
            report_outage(_log, error, "events are not written yet")
            return False
        except SQLAlchemyError as error:
            _log.error("the database refuses this: %s left out", counted(len(batch), "event"), exc_info=error)
        return True

    def preview(self, node_id: str, media_type: str, picture: bytes) -> None:
        """Keep it as the job's newest."""
        try:
            self._store.previews.put(self._leased.lease, node_id, media_type, picture)
        except SQLAlchemyError as error:
            report_outage(_log, error, "previews are left out")
