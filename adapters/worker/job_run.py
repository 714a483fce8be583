"""One job from its claim to its end: its files, its run, its outputs, and one last transaction that tells of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from threading import Lock

from sqlalchemy.exc import SQLAlchemyError

from adapters.blobs.store import BlobStore
from adapters.error_documents import error_document
from adapters.intake.placing import place_files
from adapters.sent_pictures import with_sent
from adapters.store import Store
from adapters.store.errors import AWAY, LeaseLost
from adapters.store.records import Output
from adapters.worker.in_hand import InHand, Stop
from adapters.worker.outputs import collect
from adapters.worker.progress import ClassSeconds, Progress
from adapters.worker.recorder import Recorder
from adapters.worker.wishes import Wishes
from engine.document import read_workflow
from engine.engine import Engine
from engine.errors import Cancelled, DagfusionError
from engine.result import RunResult
from engine.workflow import Workflow

_TURN_CHECK_S = 0.02
_RETRY_S = 1.0
_REFUSED = {"type": "ResultsRefused", "message": "the database refuses what the job made", "remedy": "see the logs"}
_log = logging.getLogger(__name__)


@dataclass
class JobRunner:
    """Runs jobs in the engine, in turns. ``seconds``: what nodes took, for estimates."""

    engine: Engine
    store: Store
    blobs: BlobStore
    seconds: ClassSeconds = field(default_factory=ClassSeconds)
    wishes: Wishes = field(init=False)
    _device: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self.wishes = Wishes(self.store, self.engine)

    def idle(self) -> None:
        """No job waits: free memory, if that was asked for and the device is not in use."""
        if self._device.acquire(blocking=False):
            try:
                self.wishes.fulfil()
            finally:
                self._device.release()

    def run(self, hand: InHand, computed: Callable[[], None]) -> None:
        """Run the job and record its end, whatever it is. ``computed`` is called when the device is free again."""
        workflow = None
        progress = Progress({i: str(node.get("class_type", "")) for i, node in hand.job.prompt.items()}, self.seconds)
        publish = partial(with_sent, folders=self.engine.folders, blobs=self.blobs)
        recorder = Recorder(self.store, hand, progress, publish)
        try:
            try:
                place_files(self.store.jobs.inputs(hand.job.id), self.blobs, self.engine.folders.input)
                workflow = self._workflow(hand)
                with recorder:
                    result = self._compute(hand, workflow, recorder)
            finally:
                computed()
            made = collect(result, self.engine.folders, self.blobs)
        except Cancelled:
            self._stopped(hand, recorder)
        except Exception as error:  # noqa: BLE001 - whatever a job does, the worker goes on
            self._failed(hand, recorder, error)
        else:
            self._completed(hand, recorder, progress, result, made)

    def _workflow(self, hand: InHand) -> Workflow:
        workflow = read_workflow(hand.job.prompt, self.engine.registry)
        return workflow.model_copy(update={"extra_pnginfo": dict(hand.job.extra_pnginfo)})

    def _compute(self, hand: InHand, workflow: Workflow, recorder: Recorder) -> RunResult:
        with self._turn(hand):
            return self.engine.run(
                workflow,
                hand.job.targets,
                listeners=[recorder],
                cancel=hand.cancel,
                previews=bool(hand.job.options.get("previews", True)),
            )

    @contextmanager
    def _turn(self, hand: InHand) -> Iterator[None]:
        """The device for this job alone. A job that waits for it can be cancelled."""
        while not self._device.acquire(timeout=_TURN_CHECK_S):
            if hand.cancel.cancelled:
                raise Cancelled
        try:
            self.wishes.fulfil()
            hand.running = True
            yield
        finally:
            hand.running = False
            self._device.release()

    def _completed(
        self, hand: InHand, recorder: Recorder, progress: Progress, result: RunResult, made: list[Output]
    ) -> None:
        data = {"seconds": round(result.seconds, 6)}
        last = progress.snapshot() | {"fraction": 1.0, "eta_s": 0.0}
        complete = self.store.leases.complete
        self._end(hand, lambda: complete(hand.lease, made, data, first=recorder.unwritten, progress=last))
        _log.info("completed in %.2f s, %d outputs", result.seconds, len(made))

    def _stopped(self, hand: InHand, recorder: Recorder) -> None:
        leases, first = self.store.leases, recorder.unwritten
        if hand.why is Stop.TIME_LIMIT:
            error = time_limit_error(hand.job.time_limit_s)
            self._end(hand, lambda: leases.fail(hand.lease, error, first=first))
            _log.info("stopped: %s", error["message"])
        else:
            self._end(hand, lambda: leases.cancelled(hand.lease, first=first))
            if hand.why is not Stop.LOST:
                _log.info("cancelled")

    def _failed(self, hand: InHand, recorder: Recorder, error: Exception) -> None:
        if not isinstance(error, DagfusionError):
            _log.error("the job failed inside the worker", exc_info=error)
        document = error_document(error)
        self._end(hand, lambda: self.store.leases.fail(hand.lease, document, first=recorder.unwritten))
        _log.info("failed: %s", document["message"])

    def _end(self, hand: InHand, write: Callable[[], None]) -> None:
        """Write the last transaction, again and again while the database is away; nothing for a lost job."""
        refused = partial(self.store.leases.fail, hand.lease, _REFUSED)
        while hand.why is not Stop.LOST:
            try:
                return write()
            except LeaseLost:
                hand.stop(Stop.LOST)
            except AWAY as error:
                _log.warning("the end of the job is not written yet: %s", error)
                time.sleep(_RETRY_S)
            except SQLAlchemyError as error:
                if write is refused:
                    raise
                _log.error("the database refuses the end of the job", exc_info=error)
                write = refused
        _log.info("the job was taken from this worker; what it did here has no effect")
        return None


def time_limit_error(limit_s: float) -> dict[str, str]:
    """The error of a job that ran out of time."""
    return {
        "type": "TimeLimit",
        "message": f"the job ran longer than its time limit of {limit_s:g} s",
        "remedy": "give it a larger time_limit_s, or less to do",
    }
