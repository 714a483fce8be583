"""The engine as its users see it: check a workflow, run a workflow."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING

from engine.cache import Cache
from engine.collection import collection_paused
from engine.context import CancelToken
from engine.device_scheduler import DeviceScheduler
from engine.device_slot import Admit
from engine.errors import Problem
from engine.events import EventLog, Listener
from engine.folders import Folders
from engine.journal import Journal
from engine.limits import Limits
from engine.memory_check import with_memory
from engine.publishing import FileStore, PublishedFiles
from engine.result import RunResult
from engine.schema import NodeSpec
from engine.types import Hdr
from engine.validate import Checked, inspect
from engine.workflow import Workflow

if TYPE_CHECKING:
    from engine.disk_cache import DiskCache
    from engine.executor import Executor
    from engine.model_store import ModelStore

DEFAULT_CACHE_BYTES = 2 * 2**30


class Engine:
    """Node classes, folders and loaded models, and a cache of node outputs that lives as long as the engine.

    ``at_once``: runs that may share the device; denoising steps of theirs that fit together are computed as one.
    ``disk_cache``: where outputs that are worth it are kept for the next process. ``hdr``: how HDR films are read.
    ``limits``: how much nodes may make.
    """

    def __init__(
        self,
        registry: Mapping[str, NodeSpec],
        folders: Folders,
        models: ModelStore,
        cache_budget_bytes: int = DEFAULT_CACHE_BYTES,
        at_once: int = 1,
        disk_cache: DiskCache | None = None,
        hdr: Hdr = "sdr",
        limits: Limits | None = None,
    ) -> None:
        self.registry = registry
        self.folders = folders
        self.models = models
        self.cache = Cache(cache_budget_bytes, disk_cache)
        self.named = PublishedFiles()
        self.scheduler = DeviceScheduler()
        self.at_once = at_once
        self.hdr: Hdr = hdr
        self.limits = limits or Limits()
        self._executor: Executor | None = None
        self._making = threading.Lock()

    def share(self, at_once: int) -> None:
        """From now on, this many runs may share the device. Call it while none is running."""
        with self._making:
            self.at_once, self._executor = at_once, None

    def keep_files_in(self, store: FileStore) -> None:
        """From now on, also keep the bytes of all files that runs make in a store of their own."""
        self.named.store = store

    def check(
        self, workflow: Workflow, outputs: Sequence[str] | None = None, folders: Folders | None = None
    ) -> tuple[Problem, ...]:
        """All problems of what the wanted ``outputs`` (node ids; by default all output nodes) need."""
        return self.inspect(workflow, outputs, folders).problems

    def inspect(
        self, workflow: Workflow, outputs: Sequence[str] | None = None, folders: Folders | None = None
    ) -> Checked:
        """Like :meth:`check`, with the sound nodes and the outputs that can run."""
        with collection_paused():
            checked = inspect(workflow, self.registry, folders or self.folders, outputs)
            return with_memory(checked, self.limits)

    def run(
        self,
        workflow: Workflow,
        outputs: Sequence[str] | None = None,
        *,
        listeners: Sequence[Listener] = (),
        cancel: CancelToken | None = None,
        previews: bool = False,
        admit: Admit = nullcontext,
        folders: Folders | None = None,
        journal: Journal | None = None,
    ) -> RunResult:
        """Run what the wanted ``outputs`` need and is not cached.

        Raises ``GraphInvalid`` with all problems before anything runs, ``NodeFailed`` where a node raises,
        ``OutOfMemory``, and ``Cancelled``. ``listeners`` hear of every event as it happens; ``cancel`` stops the run
        from another thread; with ``previews``, nodes report unfinished pictures. ``admit`` holds the device for the
        run, until what is left of it is work on files: then the next run computes. ``folders``: where the run reads and
        puts files, if not in the engine's. ``journal``: of earlier attempts, which may have put files there already.
        """
        checked, log = self.inspect(workflow, outputs, folders), EventLog(*listeners)
        return self.executor.run(
            workflow, checked, log=log, cancel=cancel, previews=previews, admit=admit, folders=folders, journal=journal
        )

    @property
    def executor(self) -> Executor:
        """Made at the first run: checking needs none of what it imports."""
        from engine.executor import Executor
        from engine.run import RunSetting

        with self._making:
            if self._executor is None:
                around = RunSetting(
                    self.registry,
                    self.folders,
                    self.models,
                    self.cache,
                    self.scheduler,
                    named=self.named,
                    hdr=self.hdr,
                    limits=self.limits,
                )
                self._executor = Executor(around, self.at_once)
            return self._executor
