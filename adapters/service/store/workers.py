"""Worker processes as others see them: who is there, and whether they are ready."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, insert, select, update

from adapters.service.store.database import Database
from adapters.service.store.records import Worker
from adapters.service.store.tables import counters, workers

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
            now = self._database.now(connection)
            connection.execute(
                insert(workers).values(
                    id=worker_id,
                    host=host,
                    pid=pid,
                    state="starting",
                    started_at=now,
                    heartbeat_at=now,
                    info=dict(info),
                )
            )

    def beat(self, worker_id: str, state: str, info: Mapping[str, Any]) -> bool:
        """The worker lives. False where its row is gone, because it was taken for dead."""
        with self._database.write() as connection:
            values = {"state": state, "heartbeat_at": self._database.now(connection), "info": dict(info)}
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

    def alive(self, within_s: float) -> list[Worker]:
        """Workers whose last heartbeat is at most ``within_s`` old; the rows of others are removed."""
        with self._database.read() as connection:
            oldest = self._database.now(connection) - within_s
            rows = connection.execute(select(workers).order_by(workers.c.started_at)).all()
        stale = [row.id for row in rows if row.heartbeat_at < oldest]
        if stale:
            with self._database.write() as connection:
                gone = workers.c.id.in_(stale), workers.c.heartbeat_at < oldest
                connection.execute(delete(workers).where(*gone))
        return [_worker(row) for row in rows if row.heartbeat_at >= oldest]


def _worker(row: Any) -> Worker:
    return Worker(row.id, row.host, row.pid, row.state, row.started_at, row.heartbeat_at, row.info)
