"""Waiting for news in the database: SQLite's change counter, looked at when the doorbell rings and every 5 ms besides;
PostgreSQL's notifications.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from contextlib import closing

from adapters.host.threads import background_thread
from adapters.service.store.database import NOTIFY_CHANNEL, Database
from adapters.service.store.outage import report_outage

_POLL_S = 0.005
_RECONNECT_S = 1.0
_ASK_EVERY_S = 10.0
_log = logging.getLogger(__name__)


class Changes:
    """Waiting for news. Counts commits of anybody, roughly: several may count as one, none is missed.

    One thread for each process watches; it starts with the first waiter. Waiters should look at the database once
    before they wait, and again whenever a wait returns, be it by a change or by its time-out.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._condition = threading.Condition()
        self._count = 0
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()

    @property
    def count(self) -> int:
        """Changes seen until now. Take it before looking at the database, and pass it to :meth:`wait`."""
        self._start()
        return self._count

    def wait(self, seen: int, timeout_s: float) -> int:
        """Return once there were changes after ``seen``, or after ``timeout_s``: the count then."""
        self._start()
        with self._condition:
            self._condition.wait_for(lambda: self._count != seen or self._closed.is_set(), timeout_s)
            return self._count

    def close(self) -> None:
        """Stop watching; waiters return."""
        self._closed.set()
        with self._condition:
            self._condition.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join(timeout=5)

    def _start(self) -> None:
        with self._condition:
            if self._thread is None and not self._closed.is_set():
                self._thread = background_thread("database-changes", self._watch)
                self._thread.start()

    def _changed(self) -> None:
        with self._condition:
            self._count += 1
            self._condition.notify_all()

    def _watch(self) -> None:
        listen = self._listen_to_sqlite if self._database.sqlite else self._listen_to_postgres
        while not self._closed.is_set():
            try:
                listen()
            except Exception as error:  # noqa: BLE001 - whatever a database says when it is away
                report_outage(_log, error, "not listening to the database")
                self._closed.wait(_RECONNECT_S)

    def _listen_to_sqlite(self) -> None:
        assert self._database.doorbell is not None
        connection = sqlite3.connect(self._database.url.database or "", isolation_level=None)
        seen = None
        with closing(connection), self._database.doorbell.listening(_POLL_S) as rung:
            while not self._closed.is_set():
                version = connection.execute("PRAGMA data_version").fetchone()[0]
                if version != seen:
                    seen = version
                    self._changed()
                rung()

    def _listen_to_postgres(self) -> None:
        from adapters.service.store.postgres import connect

        with connect(self._database.url) as connection:
            connection.execute(f"LISTEN {NOTIFY_CHANNEL}")
            self._changed()  # what happened while nobody listened
            asked_at = time.monotonic()
            while not self._closed.is_set():
                for _ in connection.notifies(timeout=0.5, stop_after=1):
                    self._changed()
                if time.monotonic() >= asked_at + _ASK_EVERY_S:  # a server that is gone notifies nobody
                    connection.execute("SELECT 1")
                    asked_at = time.monotonic()
