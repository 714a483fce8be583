"""Warns if another service uses the same data folder: the two would share queue, keys and workers."""

from __future__ import annotations

import fcntl
import logging
import os
from contextlib import suppress
from pathlib import Path

_LOCK = "service.lock"
_log = logging.getLogger(__name__)


def share(folder: Path) -> None:
    """Say whether other services use ``folder``, and be found there by those that come, until this process ends.

    The system lets go of the lock with the process, however that ends.
    """
    with suppress(OSError):  # a folder that cannot be used is told by the database
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        _enter(lock, folder)


def _enter(lock: int, folder: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        _log.warning(
            "another service uses the data folder %s, so both have one queue, the same keys and each other's workers; "
            "to be apart, give one of them a folder of its own: --data or DAGFUSION_DATA",
            folder,
        )
    fcntl.flock(lock, fcntl.LOCK_SH)  # of all that are here: none of them is alone any more
