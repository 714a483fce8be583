"""How much memory a process and a GPU have in use."""

from __future__ import annotations

from threading import Event, Thread

import psutil

MIB = 2**20


def resident_mib() -> float:
    """What this process holds of the machine's memory."""
    return float(psutil.Process().memory_info().rss) / MIB


def vram_peak_mib() -> float | None:
    """The most that tensors held of the GPU since this process began; None where torch has no GPU."""
    import torch

    return torch.cuda.max_memory_allocated() / MIB if torch.cuda.is_available() else None


def vram_held_mib() -> float | None:
    """What tensors hold of the GPU now; None where torch has none."""
    import torch

    return torch.cuda.memory_allocated() / MIB if torch.cuda.is_available() else None


class Peak:
    """The most memory that this process held while this was open (``mib``), sampled every 5 ms."""

    def __enter__(self) -> Peak:
        self.mib = self.before_mib = resident_mib()
        self._done = Event()
        self._watcher = Thread(target=self._watch, daemon=True)
        self._watcher.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._watcher.join()
        self.mib = max(self.mib, resident_mib())

    def _watch(self) -> None:
        while not self._done.wait(0.005):
            self.mib = max(self.mib, resident_mib())
