"""Opens the database, SQLite in WAL mode or PostgreSQL: transactions, and the clock that leases go by."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, func, select, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, SQLAlchemyError

from adapters.host.private_folder import make_private
from adapters.service.store.doorbell import Doorbell
from adapters.service.store.errors import StoreUnavailable
from adapters.service.store.outage import reason_of
from adapters.service.store.schema import set_up

NOTIFY_CHANNEL = "dagfusion"
_BUSY_TIMEOUT_MS = 30_000
_SETUP_LOCK = 0x64616766  # any number that all processes know


class Database:
    """Connections to one database. Thread-safe; a process that forks must open its own."""

    def __init__(self, url: str) -> None:
        self.url = parse_url(url)
        self.sqlite = self.url.get_backend_name() == "sqlite"
        # SQLite has one writer at a time, and who finds another one there sleeps for up to 100 ms: threads take turns.
        self._turn = threading.Lock() if self.sqlite else nullcontext()
        self.doorbell = Doorbell(self.url.database or "") if self.sqlite else None
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
    def read(self) -> Iterator[Connection]:
        """To read from the database; each statement sees one state of it."""
        with self._reader.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that is committed at its end, or rolled back where the block raises; readers hear of it."""
        with self._turn, self._writer.begin() as connection:
            yield connection
            if not self.sqlite:
                connection.execute(select(func.pg_notify(NOTIFY_CHANNEL, "")))
        if self.doorbell is not None:
            self.doorbell.ring()

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
        if not self.sqlite:
            return create_engine(self.url, pool_pre_ping=True, pool_size=10, max_overflow=20)
        if self.url.database:
            make_private(Path(self.url.database).parent)
        engine = create_engine(self.url, pool_size=10, max_overflow=20)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine

    def _set_up(self) -> None:
        try:
            with self._turn, self._writer.execution_options(dagfusion_rebuilds=True).begin() as connection:
                if not self.sqlite:
                    connection.execute(select(func.pg_advisory_xact_lock(_SETUP_LOCK)))
                set_up(connection)
        finally:
            self._engine.dispose()  # SQLite's connection does not look at references


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


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # transactions are begun below, by the rules of SQLite and not of its driver
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", f"busy_timeout={_BUSY_TIMEOUT_MS}"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    # A writer takes its lock at once: one that starts as a reader can be refused half-way.
    options = connection.get_execution_options()
    if options.get("dagfusion_rebuilds"):  # a table that is made anew is dropped first, which is not to empty others
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("dagfusion_writes") else "BEGIN")
