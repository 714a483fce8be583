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
        self._made: MutableMapping[Tensor, tuple[Tensor, int]] = WeakTensorKeyDictionary()

    def of(self, source: Tensor, make: Callable[[Tensor], Tensor], size_bytes: int | None = None) -> Tensor | None:
        """What ``make`` makes of ``source``; ``None`` where there is no room to keep it.

        ``size_bytes``: what that takes, where it is not as much as ``source``.
        """
        with self._lock:
            found = self._made.get(source)
        if found is not None:
            return found[0]
        size_bytes = source.nbytes if size_bytes is None else size_bytes
        if self._room_bytes() < size_bytes:
            return None
        made = make(source)
        with self._lock:
            self._made[source] = made, size_bytes
        return made

    @property
    def bytes(self) -> int:
        """What is kept now."""
        with self._lock:
            return sum(size_bytes for _, size_bytes in self._made.values())

    def clear(self) -> None:
        """Keep nothing."""
        with self._lock:
            self._made.clear()
