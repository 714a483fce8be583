"""Connections to PostgreSQL that end rather than wait for ever: while it hangs, and where the network lost it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.abc import PQGen
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL

PATIENCE_S = 8.0  # for one statement; the server gives up first, where it can
_CONNECT_S = 5
_POOL, _OVERFLOW = 10, 20
_LONGEST_S = 3600.0  # for what is known to take its time
# The second: a process that is stopped amid a transaction keeps the rows that it locked from everybody.
_BOUNDS = ("statement_timeout", "idle_in_transaction_session_timeout")
_NETWORK = {
    "connect_timeout": _CONNECT_S,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}


class BoundedConnection(psycopg.Connection[Any]):
    """Waits ``patience_s`` for an answer and no longer; then it is of no more use, and closed."""

    patience_s = PATIENCE_S

    def wait(self, gen: PQGen[Any], interval: float = 0.1, timeout: float | None = None) -> Any:
        """As psycopg's own. Raises ``psycopg.OperationalError`` where no answer comes in time, or this is late."""
        bound_s = self.patience_s + 1 if timeout is None else timeout
        try:
            return super().wait(gen, interval, bound_s)
        except psycopg.errors._WaitTimeout as error:
            self.pgconn.finish()  # an answer that comes yet is to a question that nobody asks any more
            raise psycopg.OperationalError(f"no answer within {bound_s:g} s") from error
        except psycopg.errors.IdleInTransactionSessionTimeout as error:  # for psycopg, an error of the server's own
            raise psycopg.OperationalError("the server has ended a transaction that stood still") from error


def connect(url: URL) -> BoundedConnection:
    """A connection outside of any pool, in autocommit."""
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    options: dict[str, Any] = {"autocommit": True, **_NETWORK}
    return BoundedConnection.connect(plain, **options)


def open_engine(url: URL) -> Engine:
    """A pool of such connections."""
    engine = create_engine(
        url,
        pool_pre_ping=True,
        pool_size=_POOL,
        max_overflow=_OVERFLOW,
        pool_timeout=_CONNECT_S,
        connect_args=dict(_NETWORK),
    )
    event.listen(engine, "do_connect", _connect)
    event.listen(engine, "connect", _bound)
    return engine


@contextmanager
def patient(connection: Connection) -> Iterator[None]:
    """Let the statements of this transaction take their time."""
    bounded: Any = connection.connection.dbapi_connection
    bounded.patience_s = _LONGEST_S
    try:
        for bound in _BOUNDS:
            connection.exec_driver_sql(f"SET LOCAL {bound} = 0")
        yield
    finally:
        bounded.patience_s = PATIENCE_S


def _connect(_dialect: object, _record: object, arguments: Any, options: Any) -> BoundedConnection:
    return BoundedConnection.connect(*arguments, **options)


def _bound(connection: BoundedConnection, _record: object) -> None:
    before = connection.autocommit
    connection.autocommit = True
    for bound in _BOUNDS:
        connection.execute(f"SET {bound} = {int(PATIENCE_S * 1000)}")
    connection.autocommit = before
