"""Worker processes as others see them: who is there, and whether they are ready."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from sqlalchemy import Connection, Delete, Select, delete, func, insert, select, update

from adapters.service.store.database import Database
from adapters.service.store.records import WorkerRecord
from adapters.service.store.tables import counters, workers

_Where = TypeVar("_Where", Select[tuple[str]], Delete)
FREE_MODELS = "free_models"
FREE_CACHE = "free_cache"
# Made once: to put a statement together takes longer than to run it.
_ASKED = select(counters).where(counters.c.name.in_((FREE_MODELS, FREE_CACHE)))


class Workers:
    """Rows that live as long as their heartbeats."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def register(self, worker_id: str, host: str, pid: int, info: Mapping[str, Any]) -> None:
        """A process has started. It is not ready yet."""
        with self._database.write() as connection:
            connection.execute(
                insert(workers).values(
                    id=worker_id,
                    host=host,
                    pid=pid,
                    state="starting",
                    started_at=self._database.now(connection),
                    heartbeat_at=self._database.steady(connection),
                    info=dict(info),
                )
            )

    def beat(self, worker_id: str, state: str, info: Mapping[str, Any]) -> bool:
        """The worker lives. False where its row is gone, because it was taken for dead."""
        with self._database.write() as connection:
            values = {"state": state, "heartbeat_at": self._database.steady(connection), "info": dict(info)}
            return bool(connection.execute(update(workers).where(workers.c.id == worker_id).values(values)).rowcount)

    def ask(self, *wishes: str) -> None:
        """Ask all workers, once, for :data:`FREE_MODELS` or :data:`FREE_CACHE`; those that start later need not."""
        with self._database.write() as connection:
            for wish in wishes:
                counted = update(counters).where(counters.c.name == wish).values(value=counters.c.value + 1)
                if not connection.execute(counted).rowcount:
                    connection.execute(insert(counters).values(name=wish, value=1))

    def asked(self) -> dict[str, int]:
        """How often each wish was made. A worker that sees a number grow does what it stands for, between jobs."""
        with self._database.read() as connection:
            return {row.name: int(row.value) for row in connection.execute(_ASKED)}

    def remove(self, worker_id: str) -> None:
        """The worker has ended."""
        with self._database.write() as connection:
            connection.execute(delete(workers).where(workers.c.id == worker_id))

    def alive(self, within_s: float) -> list[WorkerRecord]:
        """Workers whose last heartbeat is at most ``within_s`` old. Only reads: it may be asked at any time."""
        with self._database.read() as connection:
            clock = self._database.steady(connection)
            rows = connection.execute(select(workers).order_by(workers.c.started_at)).all()
        # One that is to come was by a clock that was put back, or is of before this machine was started.
        return [_worker(row) for row in rows if abs(clock - row.heartbeat_at) <= within_s]

    def forget(self, silent_s: float) -> None:
        """Remove the rows of workers that have not been heard of for so long."""
        with self._database.read() as connection:
            if not connection.execute(self._silent(connection, select(workers.c.id), silent_s)).first():
                return  # without the lock that writers take
        with self._database.write() as connection:
            connection.execute(self._silent(connection, delete(workers), silent_s))

    def _silent(self, connection: Connection, statement: _Where, silent_s: float) -> _Where:
        return statement.where(func.abs(self._database.steady(connection) - workers.c.heartbeat_at) > silent_s)


def _worker(row: Any) -> WorkerRecord:
    return WorkerRecord(row.id, row.host, row.pid, row.state, row.started_at, row.heartbeat_at, row.info)
