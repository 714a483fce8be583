"""The queue's order, read from the database: flows of waiting jobs, and the turns that their owners had."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from sqlalchemy import Connection, and_, bindparam, func, insert, or_, select, update

from adapters.service.store.database import Database
from adapters.service.store.fairness import Flow, Waiting, in_order, in_turn
from adapters.service.store.records import JobState
from adapters.service.store.tables import api_keys, counters, jobs, turns

# Made once: to put a statement together takes longer than to run it.
_QUEUED = jobs.c.state == JobState.QUEUED
_RUNNING = (
    select(jobs.c.owner, func.count().label("count"))
    .where(jobs.c.state == JobState.RUNNING)
    .group_by(jobs.c.owner)
    .subquery()
)
_FLOWS = (
    select(jobs.c.owner, jobs.c.priority, func.min(jobs.c.created_at).label("since"), turns.c.served_at)
    .outerjoin(turns, and_(turns.c.owner == jobs.c.owner, turns.c.priority == jobs.c.priority))
    .outerjoin(api_keys, api_keys.c.id == jobs.c.owner)
    .outerjoin(_RUNNING, _RUNNING.c.owner == jobs.c.owner)
    .where(_QUEUED)
    .group_by(jobs.c.owner, jobs.c.priority, turns.c.served_at)
)
# Those whose owner may have one more job running.
_STARTABLE = _FLOWS.where(
    or_(api_keys.c.max_running.is_(None), func.coalesce(_RUNNING.c.count, 0) < api_keys.c.max_running)
)
_TURNS = select(turns.c.owner, func.max(turns.c.turn).label("turn")).group_by(turns.c.owner)
_WITHIN = (jobs.c.rank, jobs.c.sequence)
_WAITING = select(jobs.c.id, jobs.c.owner, jobs.c.priority).where(_QUEUED).order_by(*_WITHIN)
_HEAD = (
    select(jobs.c.id, jobs.c.attempts, jobs.c.owner, jobs.c.priority)
    .where(_QUEUED, jobs.c.owner == bindparam("flow_owner"), jobs.c.priority == bindparam("flow_priority"))
    .order_by(*_WITHIN)
    .limit(1)
    .with_for_update(skip_locked=True)
)
_COUNT_TURN = (
    update(counters).where(counters.c.name == "turn").values(value=counters.c.value + 1).returning(counters.c.value)
)
_OF_FLOW = and_(turns.c.owner == bindparam("flow_owner"), turns.c.priority == bindparam("flow_priority"))


class Queue:
    """Which of the waiting jobs is next. What is asked in a transaction holds for as long as that lasts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ids(self, connection: Connection, count: int | None = None, *, startable: bool = False) -> list[str]:
        """Ids of waiting jobs in the order in which they will run: all, or the first so many.

        ``startable``: without those of owners who have as many jobs running as they may.
        """
        flows = self._flows(connection, startable=startable)
        wanted = {(flow.owner, flow.priority) for flow in flows}
        waiting = (Waiting(row.id, row.owner, row.priority) for row in connection.execute(_WAITING))
        known = (job for job in waiting if (job.owner, job.priority) in wanted)
        order: Iterator[str] = in_order(known, flows, self._database.now(connection))
        return list(islice(order, count))

    def has_startable(self, connection: Connection) -> bool:
        """Whether a job could be started now."""
        return connection.execute(_STARTABLE.limit(1)).first() is not None

    def take_turn(self, connection: Connection) -> int:
        """The number of the next turn. Until the transaction ends, nobody else has one."""
        return int(connection.execute(_COUNT_TURN).scalar_one())

    def next(self, connection: Connection) -> Any | None:
        """The row (id, attempts, owner, priority) of the job whose turn it is, locked; ``None`` where there is none."""
        for flow in in_turn(self._flows(connection, startable=True), self._database.now(connection)):
            values = {"flow_owner": flow.owner, "flow_priority": flow.priority}
            row = connection.execute(_HEAD, values).first()
            if row is not None:
                return row
        return None

    def served(self, connection: Connection, row: Any, turn: int) -> None:
        """A job of this owner and priority was started in that turn."""
        values = {"served_at": self._database.now(connection), "turn": turn}
        flow = {"flow_owner": row.owner, "flow_priority": row.priority}
        if not connection.execute(update(turns).where(_OF_FLOW).values(values), flow).rowcount:
            connection.execute(insert(turns).values(owner=row.owner, priority=row.priority, **values))

    def _flows(self, connection: Connection, *, startable: bool) -> list[Flow]:
        last = {row.owner: int(row.turn) for row in connection.execute(_TURNS)}
        rows = connection.execute(_STARTABLE if startable else _FLOWS)
        return [Flow(row.owner, row.priority, row.since, row.served_at, last.get(row.owner, 0)) for row in rows]
