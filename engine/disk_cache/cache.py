"""Outputs of nodes on disk: they outlive the process, and processes share them.

What is found is exactly what was put there, or nothing. It costs a run nothing but a moment: writing is done on a
thread of its own, and whatever goes wrong with the folder, the run goes on without it.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from engine.disk_cache.file_format import Damaged, from_bytes, to_bytes
from engine.disk_cache.folder import BoundedFolder
from engine.disk_cache.values import Kinds, Unwritable
from engine.entry import Entry
from engine.sizes import measure

# What a slow disk reads in a second: what took less than reading it back may take is not worth keeping.
_READ_BYTES_PER_S = 100 * 10**6
# Entries that wait to be written are held in memory; where the disk is too slow for them, further ones are not kept.
_MAX_WAITING_BYTES = 256 * 2**20

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DiskStatistics:
    """Counts since the start of this process. ``bytes``: what all files take, as far as this process knows.

    ``off``: whether the folder failed, so that it is left alone until the next start.
    """

    bytes: int
    budget_bytes: int
    hits: int
    misses: int
    writes: int
    evictions: int
    damaged: int
    off: bool


class DiskCache:
    """Entries by key in ``folder``, at most ``budget_bytes``; what cannot be written exactly is not kept. Thread-safe.

    ``types``: the dataclasses that may be written. ``origin``: what computes here, see :func:`origin.origin`; entries
    of another origin are not found.
    """

    def __init__(self, folder: Path, budget_bytes: int, types: Iterable[type], origin: Callable[[], str]) -> None:
        self._folder = BoundedFolder(folder, budget_bytes)
        self._kinds = Kinds(types)
        self._origin = origin
        origin()  # Reads the code now: when files change later, what is imported is still what they were.
        self._lock = threading.Lock()
        # Its thread starts with the first entry. The process waits at its end for what is still to be written.
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="disk-cache")
        self._waiting: dict[str, tuple[Future[None], int]] = {}
        self._hits = self._misses = self._writes = self._damaged = 0
        self._off = False

    def get(self, key: str) -> Entry | None:
        """The entry that was put under ``key``, by whichever process. A damaged file is removed."""
        if self._off:
            return None
        name = self._name(key)
        try:
            data = self._folder.read(name)
            entry = None
            if data is not None:
                entry, seconds = from_bytes(name, data, self._kinds)
                self._folder.touch(name, seconds)
        except OSError as error:
            self._switch_off(error)
            return None
        except Damaged as error:
            _log.warning("an entry of the disk cache is damaged (%s), and is made anew: %s", error, name)
            self._folder.drop(name)
            entry = None
            with self._lock:
                self._damaged += 1
        with self._lock:
            self._hits += entry is not None
            self._misses += entry is None
        return entry

    def put(self, key: str, entry: Entry, seconds: float) -> bool:
        """Write ``entry``, which took ``seconds`` to make, in a while. False where it is not worth it, or too large."""
        if self._off or entry.shown or entry.blocked is not None:
            return False
        own_bytes, blocks = measure(entry.values)
        size_bytes = own_bytes + sum(blocks.values())
        if size_bytes > min(self._folder.largest_bytes, seconds * _READ_BYTES_PER_S):
            return False
        name = self._name(key)
        with self._lock:
            waiting_bytes = sum(size for _, size in self._waiting.values())
            if name in self._waiting or waiting_bytes + size_bytes > _MAX_WAITING_BYTES:
                return False
            try:
                self._waiting[name] = self._writer.submit(self._write, name, entry, seconds), size_bytes
            except RuntimeError:  # the process ends
                return False
        return True

    def flush(self) -> None:
        """Wait until all that was put is written."""
        with self._lock:
            waiting = [future for future, _ in self._waiting.values()]
        for future in waiting:
            future.result()

    def statistics(self) -> DiskStatistics:
        """Counts and sizes now."""
        with self._lock:
            return DiskStatistics(
                bytes=self._folder.bytes_used,
                budget_bytes=self._folder.budget_bytes,
                hits=self._hits,
                misses=self._misses,
                writes=self._writes,
                evictions=self._folder.evictions,
                damaged=self._damaged,
                off=self._off,
            )

    def _name(self, key: str) -> str:
        return hashlib.sha256(f"{self._origin()}\n{key}".encode("utf-8", "surrogatepass")).hexdigest()[:40]

    def _write(self, name: str, entry: Entry, seconds: float) -> None:
        try:
            if not self._off and not self._folder.touch(name, seconds):
                self._folder.write(name, to_bytes(name, entry, self._kinds, seconds), seconds)
                with self._lock:
                    self._writes += 1
        except Unwritable as error:
            _log.debug("an entry stays in memory alone: %s", error)
        except OSError as error:
            self._switch_off(error)
        finally:
            with self._lock:
                self._waiting.pop(name, None)

    def _switch_off(self, error: OSError) -> None:
        with self._lock:
            first, self._off = not self._off, True
        if first:
            reason = error.strerror or error
            _log.warning("the disk cache in %s is off until the next start: %s", self._folder.folder, reason)
