"""Outputs of nodes by key, under a byte budget: what was used least recently goes first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.entry import Entry
from engine.sizes import Parts, measure

if TYPE_CHECKING:
    from engine.disk_cache import DiskCache

# An entry's own administration, so that very many empty entries are bounded too.
_ENTRY_BYTES = 512


@dataclass(frozen=True, slots=True)
class CacheStatistics:
    """Counts since the cache was made; ``bytes`` is what the entries take now."""

    entries: int
    bytes: int
    budget_bytes: int
    hits: int
    misses: int
    evictions: int


class Cache:
    """Least-recently-used entries whose sizes add up to at most ``budget_bytes``. Thread-safe.

    A tensor that several entries share is counted once, for as long as one of them is here. Entries that last are
    also put on ``disk``, and looked for there; what ``disk`` has counts as a miss here.
    """

    def __init__(self, budget_bytes: int, disk: DiskCache | None = None) -> None:
        self.disk = disk
        self._lock = threading.Lock()
        self._budget_bytes = budget_bytes
        self._entries: OrderedDict[str, tuple[Entry, int, Parts]] = OrderedDict()
        self._blocks: dict[Hashable, tuple[int, int]] = {}  # readers and bytes of each block
        self._bytes = 0
        self._hits = self._misses = self._evictions = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def get(self, key: str, *, lasting: bool = False) -> Entry | None:
        """The entry, which becomes the most recently used; ``None`` where there is none.

        ``lasting``: the key means the same in every process, so the disk may have it.
        """
        with self._lock:
            found = self._entries.get(key)
            if found is not None:
                self._hits += 1
                self._entries.move_to_end(key)
                return found[0]
            self._misses += 1
        entry = self.disk.get(key) if lasting and self.disk is not None else None
        if entry is not None:
            self.put(key, entry)
        return entry

    def touch(self, keys: Iterable[str]) -> set[str]:
        """Those of ``keys`` that are here; they become the most recently used, the last one the most."""
        with self._lock:
            found = [key for key in keys if key in self._entries]
            for key in found:
                self._entries.move_to_end(key)
            return set(found)

    def put(self, key: str, entry: Entry) -> bool:
        """Keep ``entry``, dropping others for it if need be. Returns False where it alone is over the budget."""
        own_bytes, blocks = measure((entry.values, entry.shown))
        own_bytes += _ENTRY_BYTES + len(key)
        with self._lock:
            self._remove(key)
            if own_bytes + sum(blocks.values()) > self._budget_bytes:
                return False
            self._entries[key] = (entry, own_bytes, blocks)
            self._bytes += own_bytes
            for block, size in blocks.items():
                readers, known = self._blocks.get(block, (0, 0))
                self._blocks[block] = (readers + 1, size)
                self._bytes += size - known
            while self._bytes > self._budget_bytes:
                self._remove(next(iter(self._entries)))
                self._evictions += 1
            return True

    def put_on_disk(self, key: str, entry: Entry, seconds: float) -> None:
        """Keep ``entry``, which took ``seconds`` to make, beyond this process where that is worth it."""
        if self.disk is not None:
            self.disk.put(key, entry, seconds)

    def clear(self) -> None:
        """Forget everything that is in memory."""
        with self._lock:
            self._entries.clear()
            self._blocks.clear()
            self._bytes = 0

    def statistics(self) -> CacheStatistics:
        """Counts and sizes now."""
        with self._lock:
            count = len(self._entries)
            return CacheStatistics(count, self._bytes, self._budget_bytes, self._hits, self._misses, self._evictions)

    def _remove(self, key: str) -> None:
        found = self._entries.pop(key, None)
        if found is None:
            return
        _, own_bytes, blocks = found
        self._bytes -= own_bytes
        for block in blocks:
            readers, size = self._blocks.pop(block)
            if readers > 1:
                self._blocks[block] = (readers - 1, size)
            else:
                self._bytes -= size
