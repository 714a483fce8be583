"""Holds the garbage collector off while something large is built that has no cycles to collect."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


def collect_seldom() -> None:
    """For processes that import thousands of modules: to look through these while they come took a fifth of a start."""
    gc.set_threshold(100_000, 20, 50)


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
