"""Has the operating system read the model files of the next waiting job while another job computes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil
from sqlalchemy.exc import SQLAlchemyError

from adapters.run.worker.periodic import PeriodicThread
from adapters.service.named_models import named_models
from adapters.service.store import Store
from adapters.service.store.outage import report_outage
from adapters.service.store.queue import Can, anything
from engine.folders import Folders
from engine.schema import NodeSpec

_LOOK_EVERY_S = 0.25
_REMEMBERED = 8  # files that need not be read again: they are in the page cache, or loaded
_CHUNK_BYTES = 4 * 2**20
_log = logging.getLogger(__name__)


class ReadAhead(PeriodicThread):
    """A thread that looks at the queue. Files are only read into the page cache: that takes no memory from anybody.

    ``can``: whether the worker has what a job needs.
    """

    def __init__(self, store: Store, registry: Mapping[str, NodeSpec], folders: Folders, can: Can = anything) -> None:
        super().__init__("read-ahead", _LOOK_EVERY_S)
        self._store, self._registry, self._folders, self._can = store, registry, folders, can
        self._read: dict[Path, None] = {}  # in the order in which they were wanted last

    def _round(self) -> None:
        seen = self._store.changes.count
        wanted = dict.fromkeys(self._next_files())
        for path in wanted:
            known = path in self._read
            if known or read_through(path, lambda: self.closed):
                self._read.pop(path, None)
                self._read[path] = None
        # The next job's all, however many: else each would be forgotten by the time it is looked at again.
        for path in list(self._read)[: -max(_REMEMBERED, len(wanted))]:
            del self._read[path]
        self._store.changes.wait(seen, _LOOK_EVERY_S)

    def _next_files(self) -> list[Path]:
        try:
            job = self._store.jobs.next_waiting(self._can)
        except SQLAlchemyError as error:
            report_outage(_log, error, "the next job's files are not read ahead")
            return []
        return [] if job is None else [path for _, path in named_models(job.prompt, self._registry, self._folders)]


def read_through(path: Path, stopped: Callable[[], bool]) -> bool:
    """Read the file once, unless that would push too much else out of the page cache; whether that was done.

    Reading is what works: Linux takes advice (``POSIX_FADV_WILLNEED``) for the first few hundred KiB only.
    """
    try:
        if path.stat().st_size > psutil.virtual_memory().available // 2:
            return False
        scratch = bytearray(_CHUNK_BYTES)
        with path.open("rb", buffering=0) as file:
            while file.readinto(scratch):
                if stopped():
                    return False
    except OSError as error:
        _log.info("'%s' is not read ahead: %s", path, error)
        return False
    return True
