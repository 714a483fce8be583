"""Runs job documents in the engine of this process, in turns, and tells of each run as it goes on."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from adapters.host.loading import load_engine, load_folders, load_registry, warm_names
from adapters.host.logs import about_job
from adapters.host.settings import Settings
from adapters.host.threads import start_thread
from adapters.run.direct.channel import Channel
from adapters.run.direct.document import DirectJob, read_job, work_of
from adapters.run.direct.health import broken
from adapters.run.direct.messages import Completed, End, FailedEnd, Message, Stopped
from adapters.run.worker.device import Device
from adapters.run.worker.job_run import time_limit_error
from adapters.run.worker.leased_jobs import Stop, Stoppable
from adapters.run.worker.recorder import Recorder
from adapters.run.worker.together import measure_together
from adapters.run.worker.warm import warm
from adapters.service.blobs.store import BlobStore
from adapters.service.error_documents import error_document
from engine.context import CancelToken
from engine.counted import counted
from engine.engine import Engine
from engine.errors import Cancelled, DagfusionError

_TICK_S = 0.1
_log = logging.getLogger(__name__)


class DirectRunner:
    """Any number of jobs may be in hand, in a thread each; one at a time has the device.

    ``stop_grace_s``: how long a node may ignore that it is to stop. ``sick``: why this process should be replaced by a
    new one: no more jobs can run in it.
    """

    def __init__(self, engine: Engine, blobs: BlobStore, *, stop_grace_s: float = 60.0) -> None:
        self.engine = engine
        self.blobs = blobs
        self.sick: str | None = None
        self._stop_grace_s = stop_grace_s
        self._device = Device(engine, blobs)

    def run(self, document: Mapping[str, Any], cancel: CancelToken | None = None) -> Iterator[Message]:
        """Run the job; the last message is its end. Raises nothing, whatever the document is.

        ``cancel`` stops it from another thread. So does closing the iterator, which waits until the job has stopped.
        """
        try:
            job = read_job(document)
        except DagfusionError as error:
            yield FailedEnd(error_document(error))
            return
        if self.sick is not None:
            yield FailedEnd(_lost(self.sick))
            return
        run = _Run(job, Stoppable(job.time_limit_s, cancel))
        start_thread(f"perform {job.id}", partial(self._perform, run))
        start_thread(f"watch {job.id}", partial(self._watch, run))
        try:
            yield from run.channel
        finally:
            run.stoppable.stop(Stop.CANCELLED)  # nothing, where it has ended
            run.ended.wait()

    def _perform(self, run: _Run) -> None:
        with about_job(run.job.id), _always_ended(run):
            end = self._end(run)
            if isinstance(end, FailedEnd) and self.sick is None and (reason := broken(self.engine)):
                self.sick = reason
            run.channel.end(end)

    def _end(self, run: _Run) -> End:
        recorder, progress = self._device.recorder(run.job.prompt, run.channel)
        try:
            work = work_of(run.job, self.blobs)
            result = self._device.compute(work, recorder, run.stoppable)
            made = self._device.outputs(result, work)
        except Cancelled:
            return _stopped(run, recorder)
        except Exception as error:  # noqa: BLE001 - whatever a job does, this process goes on
            if not isinstance(error, DagfusionError):
                _log.error("the job failed inside the worker", exc_info=error)
            document = error_document(error)
            _log.info("failed: %s", document["message"])
            return FailedEnd(document, tuple(recorder.unwritten))
        _log.info("completed in %.2f s, %s", result.seconds, counted(len(made), "output"))
        last = progress.snapshot() | {"fraction": 1.0, "eta_s": 0.0}
        return Completed(tuple(made), round(result.seconds, 6), tuple(recorder.unwritten), last)

    def _watch(self, run: _Run) -> None:
        """Stop the run when its time is over; give it up where a node does not heed that."""
        stoppable, stopped_at = run.stoppable, None
        while not run.ended.wait(_TICK_S):
            now = time.monotonic()
            if now >= stoppable.deadline:
                stoppable.stop(Stop.TIME_LIMIT)
            if stopped_at is None and stoppable.cancel.cancelled:
                stopped_at = now
            if stopped_at is not None and stoppable.running and now >= stopped_at + self._stop_grace_s:
                self.sick = f"a node of job {run.job.id} does not stop"
                _log.error("%s; this process has to be replaced", self.sick)
                run.channel.end(_stopped(run))
                run.ended.set()


class _Run:
    def __init__(self, job: DirectJob, stoppable: Stoppable) -> None:
        self.job = job
        self.stoppable = stoppable
        self.channel = Channel(stoppable.cancel)
        self.ended = threading.Event()


@contextmanager
def _always_ended(run: _Run) -> Iterator[None]:
    """Readers are told of an end even where telling it went wrong."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - the reader would wait for ever
        _log.exception("the end of the job could not be told")
        run.channel.end(FailedEnd(error_document(error)))
    finally:
        run.ended.set()


def _stopped(run: _Run, recorder: Recorder | None = None) -> End:
    entries = () if recorder is None else tuple(recorder.unwritten)
    if run.stoppable.why is Stop.TIME_LIMIT:
        error = time_limit_error(run.job.time_limit_s)
        _log.info("stopped: %s", error["message"])
        return FailedEnd(error, entries)
    _log.info("cancelled")
    return Stopped(entries)


def _lost(reason: str) -> dict[str, str]:
    return {"type": "WorkerLost", "message": f"this worker takes no more jobs: {reason}", "remedy": "submit it again"}


def open_runner(settings: Settings) -> DirectRunner:
    """An engine on the settings' device, with what is to be warm loaded. Raises ``DagfusionError``."""
    engine = load_engine(settings, load_registry(settings), load_folders(settings))
    names = warm_names(settings)
    warm(engine, names)
    if settings.together == "auto":
        measure_together(engine, names)
    return DirectRunner(engine, BlobStore(settings.blob_url), stop_grace_s=settings.stop_grace_s)
