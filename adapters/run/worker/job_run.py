"""One job from its claim to its end: its files, its run, its outputs, and one last transaction that tells of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from adapters.run.worker.admission import PATIENCE_S
from adapters.run.worker.device import Device, Work
from adapters.run.worker.end import write_end
from adapters.run.worker.free_requests import FreeRequests
from adapters.run.worker.last_words import LastWords, Tell
from adapters.run.worker.leased_jobs import LeasedJob, Stop
from adapters.run.worker.progress import JobProgress
from adapters.run.worker.recorder import Recorder
from adapters.run.worker.solitude import Solitude
from adapters.run.worker.store_sink import StoreSink
from adapters.service.blobs.store import BlobStore
from adapters.service.error_documents import error_document
from adapters.service.store import Store
from adapters.service.store.outage import report_outage
from adapters.service.store.records import JobState, Output, OwnFile
from engine.counted import counted
from engine.engine import Engine
from engine.errors import Cancelled, DagfusionError
from engine.journal import Journal
from engine.result import RunResult

_log = logging.getLogger(__name__)


@dataclass
class QueueRunner:
    """Runs jobs of the queue in the engine. ``patience_s``: see :class:`adapters.run.worker.device.Device`.

    ``tell``: see :class:`adapters.run.worker.last_words.LastWords`.
    """

    engine: Engine
    store: Store
    blobs: BlobStore
    patience_s: float = PATIENCE_S
    tell: Tell = lambda _: None
    device: Device = field(init=False)
    _solitude: Solitude = field(default_factory=Solitude)

    def __post_init__(self) -> None:
        between = FreeRequests(self.store, self.engine).fulfil
        self.device = Device(self.engine, self.blobs, between=between, patience_s=self.patience_s)

    def idle(self) -> None:
        """No job waits: free memory, if that was asked for and the device is not in use."""
        self.device.idle()

    def run(self, leased: LeasedJob, left: Callable[[], None]) -> None:
        """Run the job and record its end, whatever it is. ``left`` is called once, when the device is free again."""
        recorder, progress = self.device.recorder(leased.job.prompt, StoreSink(self.store, leased))
        journal = Journal(self.engine.folders.of(leased.job.space).output, leased.job.id, leased.job.attempts)
        try:
            with ExitStack() as seat:
                seat.callback(left)
                work = self._work(leased)
                with self._solitude.place(leased.cancel, alone=work.again):
                    words = LastWords(leased.job.id, self.tell)
                    result = self.device.compute(work, recorder, leased, seat.close, words, journal)
                    made = self.device.outputs(result, work)
        except Cancelled:
            self._stopped(leased, recorder, _own_files(journal, leased))
        except Exception as error:  # noqa: BLE001 - whatever a job does, the worker goes on
            self._failed(leased, recorder, error, _own_files(journal, leased))
        else:
            if leased.why is not Stop.LOST:
                journal.leave_own()
            self._completed(leased, recorder, progress, result, made)
            if leased.why is not Stop.LOST and journal.again:
                journal.leave_own()  # the earlier attempt may have gone on meanwhile; from now on it sees the end
        self._close(leased, journal)

    def _close(self, leased: LeasedJob, journal: Journal) -> None:
        """No more files come of this attempt; none of its own stay where another one has done the job."""
        if leased.why is Stop.LOST:
            try:
                job = self.store.jobs.get(leased.job.id)
                if job is not None and not job.state.ended:
                    return  # the attempt that is to follow, or is under way, reads the journal
                if job is not None and job.state is JobState.COMPLETED:
                    made = self.store.jobs.outputs(job.id)
                    journal.take_back(but={journal.root / (one.subfolder or "") / (one.filename or "") for one in made})
            except SQLAlchemyError as error:
                report_outage(_log, error, "files of job %s may be there twice", leased.job.id)
        journal.close()

    def _work(self, leased: LeasedJob) -> Work:
        job = leased.job
        return Work(
            prompt=job.prompt,
            files=self.store.jobs.inputs(job.id),
            extra_pnginfo=job.extra_pnginfo,
            targets=job.targets,
            again=job.attempts > 1,
            previews=bool(job.options.get("previews", True)),
            space=job.space,
        )

    def _completed(
        self, leased: LeasedJob, recorder: Recorder, progress: JobProgress, result: RunResult, made: list[Output]
    ) -> None:
        data = {"seconds": round(result.seconds, 6)}
        last = progress.snapshot() | {"fraction": 1.0, "eta_s": 0.0}
        complete = self.store.leases.complete
        write_end(
            self.store, leased, lambda: complete(leased.lease, made, data, first=recorder.unwritten, progress=last)
        )
        _log.info("completed in %.2f s, %s", result.seconds, counted(len(made), "output"))

    def _stopped(self, leased: LeasedJob, recorder: Recorder, files: list[OwnFile]) -> None:
        leases, first = self.store.leases, recorder.unwritten
        if leased.why is Stop.TIME_LIMIT:
            error = time_limit_error(leased.job.time_limit_s)
            write_end(self.store, leased, lambda: leases.fail(leased.lease, error, first=first, files=files))
            _log.info("stopped: %s", error["message"])
        else:
            write_end(self.store, leased, lambda: leases.cancelled(leased.lease, first=first, files=files))
            if leased.why is not Stop.LOST:
                _log.info("cancelled")

    def _failed(self, leased: LeasedJob, recorder: Recorder, error: Exception, files: list[OwnFile]) -> None:
        if not isinstance(error, DagfusionError):
            _log.error("the job failed inside the worker", exc_info=error)
        document, first = error_document(error), recorder.unwritten
        fail = self.store.leases.fail
        write_end(self.store, leased, lambda: fail(leased.lease, document, first=first, files=files))
        _log.info("failed: %s", document["message"])


def _own_files(journal: Journal, leased: LeasedJob) -> list[OwnFile]:
    """What the job put into the output folder before it stopped."""
    return [
        OwnFile(leased.job.space, "output", "" if path.parent == Path() else path.parent.as_posix(), path.name, digest)
        for path, digest in journal.files().items()
    ]


def time_limit_error(limit_s: float) -> dict[str, str]:
    """The error of a job that ran out of time."""
    return {
        "type": "TimeLimit",
        "message": f"the job ran longer than its time limit of {limit_s:g} s",
        "remedy": "give it a larger time_limit_s, or less to do",
    }
