"""Connections to a SQLite file in WAL mode, for as long as the file is the one that was opened."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL

from adapters.host.private_folder import make_private
from adapters.service.store.errors import DatabaseGone

_BUSY_TIMEOUT_MS = 5_000
_SETUP_TIMEOUT_MS = 60_000  # another process may be upgrading


class DatabaseFile:
    """A file that was removed can still be written to, and all of that is gone when the last process closes it."""

    def __init__(self, url: URL) -> None:
        self._path = Path(url.database or "")
        self._log = Path(f"{self._path}-wal")
        self._opened: tuple[int, int] | None = None

    def remember(self) -> None:
        """The file that is there now is the one that is meant."""
        self._opened = self._there()

    def check(self) -> None:
        """Raise ``DatabaseGone`` where the file, or the log beside it that commits go to, is another or none."""
        if self._opened is None:
            return
        found = self._there()
        if found is None:
            raise DatabaseGone("the database's file was removed")
        if found != self._opened:
            raise DatabaseGone("the database's file was replaced by another")

    def check_log(self) -> None:
        """The same within a transaction: then the log beside the file is there, unless somebody removed it."""
        if not self._log.exists():
            raise DatabaseGone("the log beside the database's file was removed")

    def _there(self) -> tuple[int, int] | None:
        try:
            status = os.stat(self._path)
        except OSError:
            return None
        return status.st_dev, status.st_ino


def open_engine(url: URL) -> Engine:
    """A pool of connections; the folder of the file is made."""
    make_private(Path(url.database or "").parent)
    engine = create_engine(url, pool_size=10, max_overflow=20)
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # transactions are begun below, by the rules of SQLite and not of its driver
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", f"busy_timeout={_BUSY_TIMEOUT_MS}"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin(connection: Connection) -> None:
    # A writer takes its lock at once: one that starts as a reader can be refused half-way.
    options = connection.get_execution_options()
    if options.get("dagfusion_rebuilds"):  # a table that is made anew is dropped first, which is not to empty others
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        connection.exec_driver_sql(f"PRAGMA busy_timeout={_SETUP_TIMEOUT_MS}")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("dagfusion_writes") else "BEGIN")
