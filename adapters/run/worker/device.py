"""Runs jobs on the engine's device, one after another: from a job's files and prompt to its run's outputs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from adapters.run.worker.admission import PATIENCE_S, Admission
from adapters.run.worker.kept_threads import KeptThreads
from adapters.run.worker.leased_jobs import Stoppable
from adapters.run.worker.outline import outline
from adapters.run.worker.outputs import collect
from adapters.run.worker.progress import ClassSeconds, JobProgress
from adapters.run.worker.recorder import Recorder, Sink
from adapters.service.blobs.store import BlobStore
from adapters.service.intake.placing import place_files
from adapters.service.store.records import InputFile, Output
from engine.document import read_workflow
from engine.engine import Engine
from engine.events import Listener
from engine.journal import Journal
from engine.result import RunResult

_ALONE = "alone"  # an outline that no prompt has


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What is to be computed: a workflow in API form, its input files, and the output nodes that are wanted.

    ``space``: whose folders it reads and writes, see :meth:`engine.folders.Folders.of`. ``again``: an earlier attempt
    died. ``since``: Unix seconds; what was in the folders before is none of the run's.
    """

    prompt: Mapping[str, Any]
    files: Sequence[InputFile] = ()
    extra_pnginfo: Mapping[str, Any] = field(default_factory=dict)
    targets: Sequence[str] | None = None
    previews: bool = True
    again: bool = False
    space: str = ""
    since: float = field(default_factory=time.time)


@dataclass
class Device:
    """``seconds``: what nodes took, for estimates. ``between``: called when a job begins, while nothing is running.

    ``patience_s``: for so long after one began, jobs that can share its forward passes go before others.
    """

    engine: Engine
    blobs: BlobStore
    seconds: ClassSeconds = field(default_factory=ClassSeconds)
    between: Callable[[], None] = lambda: None
    patience_s: float = PATIENCE_S
    _recorders: KeptThreads = field(default_factory=lambda: KeptThreads("recorder"))
    _admission: Admission = field(init=False)

    def __post_init__(self) -> None:
        self.engine.keep_files_in(self.blobs)
        self._admission = Admission(self.engine.at_once, self.patience_s)

    @property
    def has_room(self) -> bool:
        """Whether a job is running that another one could join."""
        return self._admission.has_room

    @property
    def may_overtake(self) -> bool:
        """Whether a job that fits may come before others that do not and have waited longer."""
        return self._admission.may_overtake

    def fits(self, prompt: Mapping[str, Any]) -> bool:
        """Whether this prompt's run could share forward passes with those that are running."""
        return self._admission.fits(self._outline(prompt))

    def idle(self) -> None:
        """No job waits: do what is done between runs, if the device is not in use."""
        self._admission.when_empty(self.between)

    def recorder(self, prompt: Mapping[str, Any], sink: Sink) -> tuple[Recorder, JobProgress]:
        """Who tells ``sink`` of the prompt's run, and how far that is."""
        progress = JobProgress({i: str(node.get("class_type", "")) for i, node in prompt.items()}, self.seconds)
        return Recorder(sink, progress, self._recorders.start), progress

    def compute(
        self,
        work: Work,
        recorder: Recorder,
        stoppable: Stoppable,
        left: Callable[[], None] = lambda: None,
        also: Listener = lambda _: None,
        journal: Journal | None = None,
    ) -> RunResult:
        """Wait for the device, then run. Raises ``Cancelled`` where the run was told to stop, and what running raises.

        ``left`` is called when the next job may have the device: while this one still writes its last files, and
        before :meth:`outputs` stores them. ``also`` hears of the run's events before the recorder does.
        ``journal``: of the files that attempts at this work put into the output folder.
        """
        folders = self.engine.folders.of(work.space)
        place_files(work.files, self.blobs, folders.input)
        workflow = read_workflow(work.prompt, self.engine.registry)
        workflow = workflow.model_copy(update={"extra_pnginfo": dict(work.extra_pnginfo)})
        recorder.cancel = stoppable.cancel
        try:
            with recorder:
                return self.engine.run(
                    workflow,
                    work.targets,
                    listeners=[also, recorder],
                    cancel=stoppable.cancel,
                    previews=work.previews,
                    admit=partial(self._place, work, stoppable, left),
                    folders=folders,
                    journal=journal,
                )
        finally:
            stoppable.running = False

    def outputs(self, result: RunResult, work: Work) -> list[Output]:
        """What the run's output nodes made, stored."""
        return collect(result, self.engine.folders.of(work.space), self.blobs, work.since)

    @contextmanager
    def _place(self, work: Work, stoppable: Stoppable, left: Callable[[], None]) -> Iterator[None]:
        """A place at the device. A job that waits for one can be cancelled."""
        try:
            own = _ALONE if work.again else self._outline(work.prompt)
            with self._admission.place(own, stoppable.cancel, self.between):
                stoppable.running = True
                yield
        finally:
            left()

    def _outline(self, prompt: Mapping[str, Any]) -> str:
        return outline(prompt, self.engine.registry) if self.engine.at_once > 1 else ""
