"""One job that runs far away, from its claim to its end: what comes back is recorded under its lease."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from adapters.run.direct.document import job_document
from adapters.run.direct.messages import Completed, End, FailedEnd, Happened, Previewed, Stopped
from adapters.run.relay.far import FarMessage, FarRun, Patience, Unable
from adapters.run.relay.reading import MessageReader, Over
from adapters.run.worker.end import write_end
from adapters.run.worker.job_run import time_limit_error
from adapters.run.worker.leased_jobs import LeasedJob, Stop
from adapters.run.worker.store_sink import StoreSink
from adapters.service.store import Store
from engine.counted import counted

_TICK_S = 0.05
_RETRY_S = 1.0
_LOST = "WorkerLost"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Lost:
    """The far side is gone, and the job may be tried again. ``error``: an error document."""

    error: Mapping[str, Any]


class FarJob:
    """The time limit counts from when the far side has the job: until then, a machine may have to start."""

    def __init__(self, store: Store, leased: LeasedJob, patience: Patience) -> None:
        self._store, self._leased, self._patience = store, leased, patience
        self._sink = StoreSink(store, leased)
        self._taken = False
        self._heard_at = time.monotonic()
        leased.deadline = math.inf

    def follow(self, run: FarRun) -> None:
        """Have the job run and record all of it, its end included. Returns when nothing is left to do for it."""
        document = job_document(self._leased.job, self._store.jobs.inputs(self._leased.job.id))
        reading = MessageReader(partial(run, document, self._leased.cancel), f"far job {self._leased.job.id}")
        try:
            end = self._end(reading)
        finally:
            reading.leave()
            self._leased.cancel.cancel()  # nothing, where it has ended
        if end is not None:
            write_end(self._store, self._leased, partial(self._write, end))

    def _end(self, reading: MessageReader) -> End | Lost | None:
        """How the job ended; ``None`` where it is no longer this relay's."""
        while True:
            message = reading.next(_TICK_S)
            if self._leased.why is Stop.LOST:
                _log.info("the job was taken from this relay; what the far side did has no effect")
                return None
            end = self._silence() if message is None else self._heard(message)
            if end is not None:
                return end
            stopped_at = self._leased.stopped_at
            if stopped_at is not None and time.monotonic() >= stopped_at + self._patience.stop_s:
                _log.warning("the far side does not stop; it is left to itself")
                return Stopped()

    def _heard(self, message: FarMessage | Over) -> End | Lost | None:
        self._heard_at = time.monotonic()
        if not self._taken:
            self._taken = True
            # The far side sees to the limit itself; this is for one that cannot.
            self._leased.deadline = self._heard_at + self._leased.job.time_limit_s + self._patience.stop_s
        match message:
            case Over(reason=reason):
                return self._lost(f"the machine that ran it is gone{reason and f': {reason}'}")
            case Stopped():
                # Not asked to stop from here, the machine has to go: its job may run on another one.
                return message if self._leased.why is not None else self._lost("the machine that ran it gave it up")
            case Unable(error=error):
                return Lost(error)
            case FailedEnd(error=error) if error.get("type") == _LOST:
                return Lost(error)
            case Completed() | FailedEnd():
                return message
            case Happened(entries=entries, progress=progress):
                while not self._sink.record(entries, progress) and self._leased.why is not Stop.LOST:
                    time.sleep(_RETRY_S)
            case Previewed(node_id=node_id, media_type=media_type, picture=picture):
                self._sink.preview(node_id, media_type, picture)
        return None

    def _silence(self) -> End | Lost | None:
        limit_s = self._patience.silence_s if self._taken else self._patience.start_s
        if self._leased.why is not None or time.monotonic() < self._heard_at + limit_s:
            return None
        what = "was not heard of" if self._taken else "did not start"
        return self._lost(f"the machine that was to run it {what} for {limit_s:g} s")

    def _lost(self, message: str) -> End | Lost:
        if self._leased.why is not None:
            return Stopped()
        return Lost({"type": _LOST, "message": message, "remedy": "submit it again"})

    def _write(self, end: End | Lost) -> None:
        leases, lease = self._store.leases, self._leased.lease
        match end:
            case Completed():
                data = {"seconds": end.seconds}
                leases.complete(lease, end.outputs, data, first=end.entries, progress=end.progress)
                _log.info("completed in %.2f s, %s", end.seconds, counted(len(end.outputs), "output"))
            case FailedEnd():
                leases.fail(lease, end.error, first=end.entries)
                _log.info("failed: %s", end.error.get("message"))
            case Stopped() if self._leased.why is Stop.TIME_LIMIT:
                leases.fail(lease, time_limit_error(self._leased.job.time_limit_s), first=end.entries)
            case Stopped():
                leases.cancelled(lease, first=end.entries)
                _log.info("cancelled")
            case Lost():
                leases.give_back(lease, end.error)
                _log.warning("given back: %s", end.error.get("message"))
