"""The one way in which adapters start threads: each has a name, and none keeps the process from ending."""

from __future__ import annotations

import threading
from collections.abc import Callable


def background_thread(name: str, run: Callable[[], object]) -> threading.Thread:
    """A thread that runs ``run`` once it is started. It does not delay the end of the process."""
    return threading.Thread(target=run, name=name, daemon=True)


def start_thread(name: str, run: Callable[[], object]) -> None:
    """Run ``run`` beside the caller."""
    background_thread(name, run).start()
