"""Ends a process with the one that started it: the parent holds the other end of standard input."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable


def on_parents_end(act: Callable[[], object]) -> None:
    """Call ``act``, in a thread of its own, once standard input is closed: the parent is gone, however it ended."""
    descriptor = sys.stdin.fileno()

    def wait() -> None:
        while os.read(descriptor, 1024):
            pass
        act()

    threading.Thread(target=wait, name="lifeline", daemon=True).start()
