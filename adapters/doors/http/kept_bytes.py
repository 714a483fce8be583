"""Encoded pieces of replies that are asked for again and again and never change."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence


class KeptBytes:
    """Pieces by their numbers, ``most_bytes`` of them; those that were asked for longest ago go first. Thread-safe."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._pieces: OrderedDict[int, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, keys: Sequence[int], make: Callable[[Sequence[int]], Mapping[int, bytes]]) -> list[bytes]:
        """The pieces of ``keys``, in that order; ``make`` gives those that are not here, without what it has not."""
        with self._lock:
            found = {key: self._pieces[key] for key in keys if key in self._pieces}
            for key in found:
                self._pieces.move_to_end(key)
        lacking = [key for key in keys if key not in found]
        if lacking:
            made = make(lacking)
            found |= made
            self._keep(made)
        return [found[key] for key in keys if key in found]

    def _keep(self, made: Mapping[int, bytes]) -> None:
        with self._lock:
            for key, piece in made.items():
                self._bytes += len(piece) - len(self._pieces.pop(key, b""))
                self._pieces[key] = piece
            while self._bytes > self._most_bytes:
                self._bytes -= len(self._pieces.popitem(last=False)[1])
