"""The engine's device, which jobs have in turns: from a job's files and prompt to what its run gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import Any

from adapters.blobs.store import BlobStore
from adapters.intake.placing import place_files
from adapters.sent_pictures import with_sent
from adapters.store.records import InputFile, Output
from adapters.worker.in_hand import Stoppable
from adapters.worker.outputs import collect
from adapters.worker.progress import ClassSeconds, Progress
from adapters.worker.recorder import Recorder, Sink
from engine.document import read_workflow
from engine.engine import Engine
from engine.errors import Cancelled
from engine.result import RunResult

_TURN_CHECK_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What is to be computed: a workflow in API form, its input files, and the output nodes that are wanted."""

    prompt: Mapping[str, Any]
    files: Sequence[InputFile] = ()
    extra_pnginfo: Mapping[str, Any] = field(default_factory=dict)
    targets: Sequence[str] | None = None
    previews: bool = True


@dataclass
class Device:
    """``seconds``: what nodes took, for estimates. ``between``: called when a turn begins, while nothing is running."""

    engine: Engine
    blobs: BlobStore
    seconds: ClassSeconds = field(default_factory=ClassSeconds)
    between: Callable[[], None] = lambda: None
    _lock: Lock = field(default_factory=Lock)
    _recorders: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(thread_name_prefix="recorder"))

    def idle(self) -> None:
        """No job waits: do what is done between runs, if the device is not in use."""
        if self._lock.acquire(blocking=False):
            try:
                self.between()
            finally:
                self._lock.release()

    def recorder(self, prompt: Mapping[str, Any], sink: Sink) -> tuple[Recorder, Progress]:
        """Who tells ``sink`` of the prompt's run, and how far that is."""
        progress = Progress({i: str(node.get("class_type", "")) for i, node in prompt.items()}, self.seconds)
        publish = partial(with_sent, folders=self.engine.folders, blobs=self.blobs)
        return Recorder(sink, progress, publish, self._recorders.submit), progress

    def compute(self, work: Work, recorder: Recorder, stoppable: Stoppable) -> RunResult:
        """Wait for the device, then run. Raises ``Cancelled`` where the run was told to stop, and what running raises.

        The next job may have the device while :meth:`outputs` stores what this one made.
        """
        place_files(work.files, self.blobs, self.engine.folders.input)
        workflow = read_workflow(work.prompt, self.engine.registry)
        workflow = workflow.model_copy(update={"extra_pnginfo": dict(work.extra_pnginfo)})
        with recorder, self._turn(stoppable):
            return self.engine.run(
                workflow, work.targets, listeners=[recorder], cancel=stoppable.cancel, previews=work.previews
            )

    def outputs(self, result: RunResult) -> list[Output]:
        """What the run's output nodes made, stored."""
        return collect(result, self.engine.folders, self.blobs)

    @contextmanager
    def _turn(self, stoppable: Stoppable) -> Iterator[None]:
        """The device for this job alone. A job that waits for it can be cancelled."""
        while not self._lock.acquire(timeout=_TURN_CHECK_S):
            if stoppable.cancel.cancelled:
                raise Cancelled
        try:
            self.between()
            stoppable.running = True
            yield
        finally:
            stoppable.running = False
            self._lock.release()
