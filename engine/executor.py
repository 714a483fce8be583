"""Runs checked workflows, at most so many at a time, and says how each run ended."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial

from engine.context import CancelToken
from engine.device_slot import Admit, DeviceSlot
from engine.errors import Cancelled, GraphInvalid, OutOfMemory
from engine.events import EventLog, RunCancelled, RunFailed
from engine.failures import free_memory
from engine.folders import Folders
from engine.journal import Journal
from engine.result import RunResult
from engine.run import Run, RunSetting
from engine.validate import Checked
from engine.workflow import Workflow


class Executor:
    """One per device. ``at_once`` runs share it in turns, further ones wait; all share the cache."""

    def __init__(self, around: RunSetting, at_once: int = 1) -> None:
        self._around = around
        self._places = threading.Semaphore(at_once)

    def run(
        self,
        workflow: Workflow,
        checked: Checked,
        *,
        log: EventLog,
        cancel: CancelToken | None = None,
        previews: bool = False,
        admit: Admit = nullcontext,
        folders: Folders | None = None,
        journal: Journal | None = None,
    ) -> RunResult:
        """Run ``checked.outputs``. Nodes that finish are cached, also where the run does not.

        ``admit``: what else a run needs before it may have the device. ``folders``: the run's, if not all runs'.
        ``again``: see :meth:`engine.engine.Engine.run`.

        Raises ``GraphInvalid`` (for problems found), ``NodeFailed``, ``OutOfMemory`` (the cache is empty then) and
        ``Cancelled``. The last event tells of the end, whatever it is.
        """
        if checked.problems:
            raise GraphInvalid(checked.problems)
        place = DeviceSlot(partial(self._at_device, admit), self._around.scheduler, self._around.in_progress)
        cancel = cancel or CancelToken()
        around = self._around if folders is None else replace(self._around, folders=folders)
        run = Run(around, workflow, checked, place, log=log, cancel=cancel, previews=previews, journal=journal)
        try:
            with place:
                return self._execute(run)
        except (Cancelled, KeyboardInterrupt):
            log.emit(RunCancelled(node_id=run.node_id))
            raise
        except BaseException as error:
            log.emit(RunFailed(error=error))
            raise
        finally:
            run.drop_values()  # An error that somebody keeps keeps this frame, and with it the run.

    def _execute(self, run: Run) -> RunResult:
        try:
            return run.execute()
        except OutOfMemory as error:
            run.drop_values()
            free_memory(self._around.cache, self._around.models, error)
            raise

    @contextmanager
    def _at_device(self, admit: Admit) -> Iterator[None]:
        with admit(), self._places, self._around.scheduler.run():
            yield
