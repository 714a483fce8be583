"""Holds the garbage collector off while something large is built that has no cycles to collect."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collection_paused() -> Iterator[None]:
    """No collections within. They look at every object there is, time and again while their number grows.

    For the whole process, so it is for short work that calls nothing of the user's that takes long.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
