"""Reports a database that does not answer: the reason in one line, and in the log now and then, not each time."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

from adapters.service.store.errors import DatabaseGone, StoreUnavailable
from engine.errors import first_line

_EVERY_S = 10.0
_POSTGRES_DISK_FULL = "53100"
_told_at: dict[tuple[str, str], float] = {}  # by logger and message: as many as there are lines that tell of it
_lock = threading.Lock()


def reason_of(error: Exception) -> str:
    """What the database itself says, without statements and links."""
    return first_line(getattr(error, "orig", None) or error)


def disk_is_full(error: Exception) -> bool:
    """Whether the database's disk has no room left: it can be read then, and not written to."""
    orig = getattr(error, "orig", None)
    return (
        getattr(orig, "sqlite_errorname", "") == "SQLITE_FULL" or getattr(orig, "sqlstate", "") == _POSTGRES_DISK_FULL
    )


def unavailable(error: Exception) -> StoreUnavailable:
    """What a caller is told of a database that cannot do what was asked."""
    if disk_is_full(error):
        return StoreUnavailable("the database's disk is full: nothing can be changed", remedy="make room there")
    if getattr(getattr(error, "orig", None), "sqlite_errorname", "").startswith("SQLITE_READONLY"):
        return StoreUnavailable("the database can only be read", remedy="let the service write to its data folder")
    if isinstance(error, DatabaseGone):
        return StoreUnavailable(reason_of(error), remedy="put it back, or start the service again")
    return StoreUnavailable("the database does not answer", remedy="try again in a while")


def report_outage(log: logging.Logger, error: Exception, message: str, *values: Any) -> None:
    """Warn with ``message % values`` and the reason, unless ``log`` had that message in the last 10 s."""
    now = time.monotonic()
    with _lock:
        if now < _told_at.get((log.name, message), -_EVERY_S) + _EVERY_S:
            return
        _told_at[log.name, message] = now
    log.warning(f"{message}: %s", *values, reason_of(error))
