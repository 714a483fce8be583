"""Opens the database, SQLite in WAL mode or PostgreSQL: transactions, and the clock that leases go by."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, func, select, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, SQLAlchemyError

from adapters.service.store.doorbell import Doorbell
from adapters.service.store.errors import StoreUnavailable
from adapters.service.store.gate import Gate
from adapters.service.store.outage import reason_of
from adapters.service.store.schema import set_up
from adapters.service.store.sqlite import DatabaseFile
from adapters.service.store.sqlite import open_engine as open_sqlite

NOTIFY_CHANNEL = "dagfusion"
_SETUP_LOCK = 0x64616766  # any number that all processes know
_READERS, _WRITERS = 20, 10  # at a time; the pools have as many connections
_STALL_S = 3.0  # without any answer


class Database:
    """Connections to one database. Thread-safe; a process that forks must open its own."""

    def __init__(self, url: str) -> None:
        self.url = parse_url(url)
        self.sqlite = self.url.get_backend_name() == "sqlite"
        self._readers = Gate(_READERS, _STALL_S)
        # SQLite has one writer at a time, and who finds another one there sleeps for up to 100 ms: threads take turns.
        self._writers = Gate(1 if self.sqlite else _WRITERS, _STALL_S)
        self.doorbell = Doorbell(self.url.database or "") if self.sqlite else None
        self._file = DatabaseFile(self.url) if self.sqlite else None
        try:
            self._engine = self._open()
            self._writer = self._engine.execution_options(dagfusion_writes=True)
            # A transaction of PostgreSQL's sees no single state either, and takes two more ways there and back.
            self._reader = self._engine if self.sqlite else self._engine.execution_options(isolation_level="AUTOCOMMIT")
            self._set_up()
        except (SQLAlchemyError, OSError) as error:
            shown = self.url.render_as_string(hide_password=True)
            raise StoreUnavailable(
                f"the database {shown} cannot be used: {reason_of(error)}",
                remedy="check DAGFUSION_DATABASE_URL and that the server runs or the folder is writable",
            ) from error

    @contextmanager
    def read(self, *, patient: bool = False) -> Iterator[Connection]:
        """To read from the database; each statement sees one state of it. ``patient``: it may take minutes."""
        reader = self._engine if patient else self._reader
        with self._readers.passing(), reader.connect() as connection, self._bounded(connection, patient=patient):
            yield connection

    @contextmanager
    def write(self, *, patient: bool = False) -> Iterator[Connection]:
        """A transaction that is committed at its end, or rolled back where the block raises; readers hear of it.

        ``patient``: it may take minutes, as long as SQLite's other writers can wait for it.
        """
        with self._writers.passing():
            self.check_file()
            with self._writer.begin() as connection, self._bounded(connection, patient=patient):
                if self._file is not None:
                    self._file.check_log()
                yield connection
                if not self.sqlite:
                    connection.execute(select(func.pg_notify(NOTIFY_CHANNEL, "")))
        if self.doorbell is not None:
            self.doorbell.ring()

    @property
    def folder(self) -> Path | None:
        """Where SQLite's file is; ``None`` for a server's database."""
        return Path(self.url.database or "").absolute().parent if self.sqlite else None

    def check_file(self) -> None:
        """Raise ``DatabaseGone`` where SQLite's file is no longer the one that was opened."""
        if self._file is not None:
            self._file.check()

    def now(self, connection: Connection) -> float:
        """Unix seconds by the clock that all users of the database share."""
        return time.time() if self.sqlite else self._server_clock(connection)

    def steady(self, connection: Connection) -> float:
        """Seconds of a clock that all users share and that nobody puts forward or back, to measure time with.

        All users of a file are on one machine, whose monotonic clock begins anew when it starts; a server's own clock
        is the best that all of its users have.
        """
        return time.monotonic() if self.sqlite else self._server_clock(connection)

    @staticmethod
    def _server_clock(connection: Connection) -> float:
        return float(connection.execute(text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one())

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def _open(self) -> Engine:
        if self.sqlite:
            return open_sqlite(self.url)
        from adapters.service.store.postgres import open_engine

        return open_engine(self.url)

    @contextmanager
    def _bounded(self, connection: Connection, *, patient: bool) -> Iterator[None]:
        """SQLite's statements wait for nobody but writers, whose time is bounded where they wait."""
        if self.sqlite or not patient:
            yield
            return
        from adapters.service.store.postgres import patient as for_minutes

        with for_minutes(connection):
            yield

    def _set_up(self) -> None:
        rebuilding = self._writer.execution_options(dagfusion_rebuilds=True)
        try:
            with rebuilding.begin() as connection, self._bounded(connection, patient=True):
                if not self.sqlite:
                    connection.execute(select(func.pg_advisory_xact_lock(_SETUP_LOCK)))
                set_up(connection)
        finally:
            self._engine.dispose()  # SQLite's connection does not look at references
        if self._file is not None:
            self._file.remember()


def unique_violation(error: IntegrityError, *names: str) -> bool:
    """Whether the constraint or column that ``error`` complains of is one of ``names``."""
    return any(name in str(error.orig) for name in names)


def parse_url(url: str) -> URL:
    """The database's URL with the driver that is used here. Raises ``StoreUnavailable`` where it is none."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise StoreUnavailable("the database URL is no URL", remedy="postgresql://user:password@host/name") from error
    backend = parsed.get_backend_name()
    if backend not in ("sqlite", "postgresql"):
        raise StoreUnavailable(f"databases of kind '{backend}' are not supported", remedy="use sqlite or postgresql")
    if backend == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise StoreUnavailable("a database in memory has no place for a queue", remedy="sqlite:////path/of/a/file")
    return parsed.set(drivername="postgresql+psycopg") if backend == "postgresql" else parsed
