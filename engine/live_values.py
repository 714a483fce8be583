"""The values of one run; each is kept until the last step that may read it is done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from engine.entry import Entry


class LiveValues:
    """Entries by key. Each step announces beforehand what it will read, and says when it is done.

    A step that has not run yet and whose outputs nobody is going to read any more counts as done.
    """

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._readers: Counter[str] = Counter()
        self._reads: dict[str, tuple[str, ...]] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def __getitem__(self, key: str) -> Entry:
        return self._entries[key]

    def get(self, key: str) -> Entry | None:
        """The entry, if it is here."""
        return self._entries.get(key)

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, key: str, entry: Entry) -> None:
        """Keep ``entry`` if somebody is going to read it."""
        if self._readers[key] > 0:
            self._entries[key] = entry

    def is_awaited(self, key: str) -> bool:
        """Whether somebody is going to read this entry, which is not here yet."""
        return key not in self._entries and self._readers[key] > 0

    def announce(self, key: str, reads: Iterable[str]) -> None:
        """The step that makes ``key`` may run later, and will read these."""
        if key not in self._reads:
            self._reads[key] = tuple(reads)
            self._readers.update(self._reads[key])

    def hold(self, key: str) -> None:
        """Keep ``key`` until :meth:`release`."""
        self._readers[key] += 1

    def release(self, key: str) -> None:
        """One reader fewer. When none is left the value is dropped, or the step that would make it need not run."""
        stack = [key]
        while stack:
            key = stack.pop()
            self._readers[key] -= 1
            if self._readers[key] <= 0:
                del self._readers[key]
                if self._entries.pop(key, None) is None:
                    stack += self._reads.pop(key, ())

    def done(self, key: str) -> None:
        """The step that makes ``key`` has read all that it reads."""
        for read in self._reads.pop(key, ()):
            self.release(read)

    def clear(self) -> None:
        """Drop everything."""
        self._entries.clear()
        self._readers.clear()
        self._reads.clear()
