"""Has the operating system read the model files of the job that waits next, while another one computes."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Mapping
from pathlib import Path

import psutil
from sqlalchemy.exc import SQLAlchemyError

from adapters.named_models import named_models
from adapters.store import Store
from engine.folders import Folders
from engine.schema import NodeSpec

_LOOK_EVERY_S = 0.25
_WAIT_S = 1.0
_REMEMBERED = 8  # files that need not be read again: they are in the page cache, or loaded
_CHUNK_BYTES = 4 * 2**20
_log = logging.getLogger(__name__)


class ReadAhead:
    """A thread that looks at the queue. Files are only read into the page cache: that takes no memory from anybody."""

    def __init__(self, store: Store, registry: Mapping[str, NodeSpec], folders: Folders) -> None:
        self._store, self._registry, self._folders = store, registry, folders
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="read-ahead", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """Read no more."""
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        recent: deque[Path] = deque(maxlen=_REMEMBERED)
        while not self._closed.wait(_LOOK_EVERY_S):
            seen = self._store.changes.count
            for path in self._next_files():
                if path not in recent and read_through(path, self._closed):
                    recent.append(path)
            self._store.changes.wait(seen, _WAIT_S)

    def _next_files(self) -> list[Path]:
        try:
            job = self._store.jobs.next_waiting()
        except SQLAlchemyError as error:
            _log.warning("the next job's files are not read ahead: %s", error)
            return []
        return [] if job is None else [path for _, path in named_models(job.prompt, self._registry, self._folders)]


def read_through(path: Path, stopped: threading.Event) -> bool:
    """Read the file once, unless that would push too much else out of the page cache; whether that was done.

    Reading is what works: Linux takes advice (``POSIX_FADV_WILLNEED``) for the first few hundred KiB only.
    """
    try:
        if path.stat().st_size > psutil.virtual_memory().available // 2:
            return False
        scratch = bytearray(_CHUNK_BYTES)
        with path.open("rb", buffering=0) as file:
            while file.readinto(scratch):
                if stopped.is_set():
                    return False
    except OSError as error:
        _log.info("'%s' is not read ahead: %s", path, error)
        return False
    return True
