"""Tensors made from a network's own, such as weights in another layout; kept as long as those, if there is room."""

from __future__ import annotations

import threading
from collections.abc import Callable, MutableMapping

from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary


class Derived:
    """At most one for each tensor. ``room_bytes()`` says how much more may be kept. Thread-safe."""

    def __init__(self, room_bytes: Callable[[], int]) -> None:
        self._room_bytes = room_bytes
        self._lock = threading.Lock()
        self._made: MutableMapping[Tensor, Tensor] = WeakTensorKeyDictionary()

    def of(self, source: Tensor, make: Callable[[Tensor], Tensor]) -> Tensor | None:
        """What ``make`` makes of ``source``, of the same size; ``None`` where there is no room to keep it."""
        with self._lock:
            found = self._made.get(source)
        if found is not None or self._room_bytes() < source.nbytes:
            return found
        made = make(source)
        with self._lock:
            self._made[source] = made
        return made

    @property
    def bytes(self) -> int:
        """What is kept now."""
        with self._lock:
            return sum(source.nbytes for source in self._made)

    def clear(self) -> None:
        """Keep nothing."""
        with self._lock:
            self._made.clear()
