"""Writes a job's last transaction, however long the database is away, unless the job was taken from this worker."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial

from sqlalchemy.exc import SQLAlchemyError

from adapters.run.worker.leased_jobs import LeasedJob, Stop
from adapters.service.store import Store
from adapters.service.store.errors import AWAY, LeaseLost
from adapters.service.store.outage import report_outage

_RETRY_S = 1.0
_REFUSED = {"type": "ResultsRefused", "message": "the database refuses what the job made", "remedy": "see the logs"}
_log = logging.getLogger(__name__)


def write_end(store: Store, leased: LeasedJob, write: Callable[[], None]) -> None:
    """Call ``write``, again and again while the database is away; nothing for a lost job."""
    refused = partial(store.leases.fail, leased.lease, _REFUSED)
    while leased.why is not Stop.LOST:
        try:
            return write()
        except LeaseLost:
            leased.stop(Stop.LOST)
        except AWAY as error:
            report_outage(_log, error, "the end of the job is not written yet")
            time.sleep(_RETRY_S)
        except SQLAlchemyError as error:
            if write is refused:
                raise
            _log.error("the database refuses the end of the job", exc_info=error)
            write = refused
    _log.info("the job was taken from this worker; what it did here has no effect")
    return None
