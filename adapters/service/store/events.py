"""The event log: what happened to jobs, numbered without gaps within each job and over all jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Select, Text, bindparam, cast, func, insert, select, update

from adapters.service.store.database import Database
from adapters.service.store.records import NewEvent, StoredEvent
from adapters.service.store.tables import counters, events, jobs

_COLUMNS = ("position", "job_id", "number", "time", "kind", "data")
_JOBS_AT_ONCE = 500  # a statement takes only so many parameters

# Made once: to put a statement together takes longer than to run it.
_CHANGE = (
    update(jobs)
    .where(jobs.c.id == bindparam("changed"))
    .values(last_event=jobs.c.last_event + bindparam("count"))
    .returning(jobs.c.last_event)
)
_COUNT = (
    update(counters)
    .where(counters.c.name == "position")
    .values(value=counters.c.value + bindparam("count"))
    .returning(counters.c.value)
)
_ADD = insert(events)
_OF_JOB = (
    select(events)
    .where(events.c.job_id == bindparam("job"), events.c.number > bindparam("after"))
    .order_by(events.c.number)
    .limit(bindparam("limit"))
)
_OF_ALL = (
    select(events).where(events.c.position > bindparam("after")).order_by(events.c.position).limit(bindparam("limit"))
)

_SIZE = func.length(cast(events.c.data, Text)).label("size")
_OF_JOB_SIZED, _OF_ALL_SIZED = _OF_JOB.add_columns(_SIZE), _OF_ALL.add_columns(_SIZE)
_LOOK = 50  # rows that are read before their sizes are known; each is bounded where it is written


def change(
    connection: Connection, job_id: str, values: Mapping[str, Any], new_events: Sequence[NewEvent], now: float
) -> list[StoredEvent]:
    """Set columns of the job and store what happened to it, inside the caller's transaction: the events.

    The counter's row is locked until the transaction ends, so that positions become visible in their order.
    """
    count = len(new_events)
    last_number = connection.execute(_CHANGE, {"changed": job_id, "count": count, **values}).scalar_one()
    if not count:
        return []
    position = connection.execute(_COUNT, {"count": count}).scalar_one()
    first_position, first_number = position - count + 1, last_number - count + 1
    stored = [
        StoredEvent(first_position + i, job_id, first_number + i, now, event.kind, dict(event.data))
        for i, event in enumerate(new_events)
    ]
    connection.execute(_ADD, [{name: getattr(one, name) for name in _COLUMNS} for one in stored])
    return stored


class Events:
    """Reads the log."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of_job(self, job_id: str, after: int = 0, limit: int = 1000) -> list[StoredEvent]:
        """The job's events with numbers above ``after``, in order."""
        return self._fetch(_OF_JOB, {"job": job_id, "after": after, "limit": limit})

    def of_jobs(self, job_ids: Sequence[str], *, without: Sequence[str] = ()) -> dict[str, list[StoredEvent]]:
        """Each job's events, in order; those of the kinds in ``without`` are left out."""
        found: dict[str, list[StoredEvent]] = {job_id: [] for job_id in job_ids}
        for start in range(0, len(job_ids), _JOBS_AT_ONCE):
            some = job_ids[start : start + _JOBS_AT_ONCE]
            query = select(events).where(events.c.job_id.in_(some), events.c.kind.not_in(without))
            for event in self._fetch(query.order_by(events.c.job_id, events.c.number)):
                found[event.job_id].append(event)
        return found

    def of_all(self, after: int = 0, limit: int = 1000) -> list[StoredEvent]:
        """Events of all jobs with positions above ``after``, in order."""
        return self._fetch(_OF_ALL, {"after": after, "limit": limit})

    def page(
        self, job_id: str | None, after: int, *, most: int = 1000, most_bytes: int = 2**18
    ) -> tuple[list[StoredEvent], bool]:
        """The next events of a job, or of all, up to about so many bytes, and whether there may be more of them."""
        query = _OF_ALL_SIZED if job_id is None else _OF_JOB_SIZED
        found: list[StoredEvent] = []
        size = 0
        with self._database.read() as connection:
            while True:
                values = {"after": after, "limit": min(_LOOK, most - len(found))}
                rows = connection.execute(query, values if job_id is None else {**values, "job": job_id}).all()
                for row in rows:
                    found.append(_event(row, int(row.size)))
                    size += found[-1].size_bytes
                    if size >= most_bytes or len(found) >= most:
                        return found, True
                if len(rows) < values["limit"]:
                    return found, False
                after = found[-1].position if job_id is None else found[-1].number

    def last_position(self) -> int:
        """The position of the newest event; 0 where there is none."""
        with self._database.read() as connection:
            query = select(counters.c.value).where(counters.c.name == "position")
            return int(connection.execute(query).scalar_one())

    def _fetch(self, query: Select[Any], values: Mapping[str, Any] | None = None) -> list[StoredEvent]:
        with self._database.read() as connection:
            rows = connection.execute(query, values).all()
        return [_event(row) for row in rows]


def _event(row: Any, size_bytes: int = 0) -> StoredEvent:
    return StoredEvent(row.position, row.job_id, row.number, row.time, row.kind, row.data, size_bytes)
