"""Watches for a condition from another thread, while this one is blocked waiting for the far side."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from adapters.host.threads import start_thread

_CHECK_S = 0.1
_log = logging.getLogger(__name__)


@contextmanager
def once(happened: Callable[[], object], act: Callable[[], object]) -> Iterator[None]:
    """Inside the block, ``act`` is called from another thread as soon as ``happened()`` is true, and only then.

    What it raises is logged: the relay leaves a far side that cannot be reached to itself.
    """
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_CHECK_S):
            if happened():
                try:
                    act()
                except Exception as error:  # noqa: BLE001 - clouds' libraries raise what they like
                    _log.warning("the far side could not be told: %s", error)
                return

    start_thread("far side", watch)
    try:
        yield
    finally:
        over.set()
