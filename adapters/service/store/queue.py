"""The queue's order, read from the database: flows of waiting jobs, and the turns that their owners had."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Connection, Integer, Select, and_, bindparam, func, insert, or_, select, update

from adapters.service.store.database import Database
from adapters.service.store.fairness import Flow, WaitingJob, in_order, in_turn
from adapters.service.store.records import JobState, Standing
from adapters.service.store.tables import api_keys, counters, jobs, turns

Can = Callable[[Sequence[str]], bool]
"""Whether a worker has all of what a job needs."""

# Made once: to put a statement together takes longer than to run it.
_QUEUED = jobs.c.state == JobState.QUEUED
_MET = jobs.c.needs_digest.in_(bindparam("met", expanding=True))
_RUNNING = (
    select(jobs.c.owner, func.count().label("count"))
    .where(jobs.c.state == JobState.RUNNING)
    .group_by(jobs.c.owner)
    .subquery()
)


def _flows_of(*which: ColumnElement[bool]) -> tuple[Select[Any], Select[Any]]:
    """Flows of these waiting jobs, and those of them whose owner may have one more job running.

    Jobs are summed up along their index first, since what is joined to each of thousands takes ten times as long.
    """
    waiting = (
        select(jobs.c.owner, jobs.c.priority, func.min(jobs.c.created_at).label("since"))
        .where(_QUEUED, *which)
        .group_by(jobs.c.owner, jobs.c.priority)
        .subquery()
    )
    flows = select(waiting, turns.c.served_at).outerjoin(
        turns, and_(turns.c.owner == waiting.c.owner, turns.c.priority == waiting.c.priority)
    )
    startable = (
        flows.outerjoin(api_keys, api_keys.c.id == waiting.c.owner)
        .outerjoin(_RUNNING, _RUNNING.c.owner == waiting.c.owner)
        .where(or_(api_keys.c.max_running.is_(None), func.coalesce(_RUNNING.c.count, 0) < api_keys.c.max_running))
    )
    return flows, startable


_FLOWS, _STARTABLE = _flows_of()
_ANY_STARTABLE = _STARTABLE.limit(1)
_MET_STARTABLE = _flows_of(_MET)[1]
_TURNS = select(turns.c.owner, func.max(turns.c.turn).label("turn")).group_by(turns.c.owner)
_NEEDS = (
    select(jobs.c.needs_digest, func.min(jobs.c.sequence).label("first")).where(_QUEUED).group_by(jobs.c.needs_digest)
)
_NEEDED = select(jobs.c.needs_digest, jobs.c.needs).where(jobs.c.sequence.in_(bindparam("firsts", expanding=True)))
_WITHIN = (jobs.c.rank, jobs.c.sequence)
_WAITING = select(jobs.c.id, jobs.c.owner, jobs.c.priority).where(_QUEUED).order_by(*_WITHIN)
_UNDER_WAY = select(jobs.c.sequence, jobs.c.id, jobs.c.owner, jobs.c.state, jobs.c.started_at).where(
    jobs.c.state.in_([str(JobState.RUNNING), str(JobState.QUEUED)])
)
_FIRST = (
    select(jobs.c.id, jobs.c.attempts, jobs.c.owner, jobs.c.priority)
    .where(_QUEUED, jobs.c.owner == bindparam("flow_owner"), jobs.c.priority == bindparam("flow_priority"), _MET)
    .order_by(*_WITHIN)
    .limit(bindparam("count", type_=Integer))
)
_HEAD = _FIRST.limit(1).with_for_update(skip_locked=True)
_COUNT_TURN = (
    update(counters).where(counters.c.name == "turn").values(value=counters.c.value + 1).returning(counters.c.value)
)
_OF_FLOW = and_(turns.c.owner == bindparam("flow_owner"), turns.c.priority == bindparam("flow_priority"))
_SERVE, _FIRST_TURN = update(turns).where(_OF_FLOW), insert(turns)


def anything(_needs: Sequence[str]) -> bool:
    """Who can do all that others can."""
    return True


def meeting(needs: Mapping[str, Sequence[str]], can: Can) -> list[str]:
    """The digests of those ``needs`` that ``can`` meets."""
    return [digest for digest, names in needs.items() if not digest or can(names)]


class Queue:
    """Which of the waiting jobs is next. What is asked in a transaction holds for as long as that lasts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ids(self, connection: Connection) -> list[str]:
        """Ids of all waiting jobs in the order in which they will run."""
        flows = self._flows(connection.execute(_FLOWS), connection)
        return self._in_order(connection, connection.execute(_WAITING), flows)

    def standing(self, connection: Connection) -> tuple[list[Standing], list[Standing]]:
        """The running jobs as they started, and the waiting ones in the order in which they will run."""
        order = {job_id: place for place, job_id in enumerate(self.ids(connection))}
        rows = connection.execute(_UNDER_WAY).all()
        running = sorted((row for row in rows if row.state == JobState.RUNNING), key=lambda row: row.started_at)
        waiting = [row for row in rows if row.state == JobState.QUEUED]
        waiting.sort(
            key=lambda row: (order.get(row.id, len(order)), row.sequence)
        )  # One that came since is at the end.
        return [_standing(row) for row in running], [_standing(row) for row in waiting]

    def next_ids(self, connection: Connection, count: int, met: Sequence[str]) -> list[str]:
        """The first ``count`` of those that could be started now, by one who meets the needs of these digests."""
        flows = self._startable(connection, met)
        rows = (row for flow in flows for row in connection.execute(_FIRST, _values(flow, met) | {"count": count}))
        return self._in_order(connection, rows, flows, count)

    def needs(self, connection: Connection) -> dict[str, tuple[str, ...]]:
        """What waiting jobs need, each set once, by its digest. The empty digest stands for nothing."""
        found: dict[str, tuple[str, ...]] = {}
        firsts = {row.needs_digest: row.first for row in connection.execute(_NEEDS)}
        if "" in firsts:
            found[""] = ()
            del firsts[""]
        if firsts:  # One that is gone by now is left out: whose needs they were is another worker's.
            rows = connection.execute(_NEEDED, {"firsts": list(firsts.values())})
            found |= {row.needs_digest: tuple(row.needs or ()) for row in rows}
        return found

    def has_startable(self, connection: Connection) -> bool:
        """Whether a job could be started now."""
        return connection.execute(_ANY_STARTABLE).first() is not None

    def take_turn(self, connection: Connection) -> int:
        """The number of the next turn. Until the transaction ends, nobody else has one."""
        return int(connection.execute(_COUNT_TURN).scalar_one())

    def next(self, connection: Connection, met: Sequence[str]) -> Any | None:
        """The row (id, attempts, owner, priority) of the job whose turn it is, locked; ``None`` where there is none.

        Only of those jobs whose needs have one of the digests in ``met``.
        """
        for flow in in_turn(self._startable(connection, met), self._database.now(connection)):
            row = connection.execute(_HEAD, _values(flow, met)).first()
            if row is not None:
                return row
        return None

    def served(self, connection: Connection, row: Any, turn: int) -> None:
        """A job of this owner and priority was started in that turn."""
        values = {"served_at": self._database.now(connection), "turn": turn}
        flow = {"flow_owner": row.owner, "flow_priority": row.priority}
        if not connection.execute(_SERVE, flow | values).rowcount:
            connection.execute(_FIRST_TURN, {"owner": row.owner, "priority": row.priority, **values})

    def _startable(self, connection: Connection, met: Sequence[str]) -> list[Flow]:
        return self._flows(connection.execute(_MET_STARTABLE, {"met": met}), connection)

    def _flows(self, rows: Iterable[Any], connection: Connection) -> list[Flow]:
        last = {row.owner: int(row.turn) for row in connection.execute(_TURNS)}
        return [Flow(row.owner, row.priority, row.since, row.served_at, last.get(row.owner, 0)) for row in rows]

    def _in_order(
        self, connection: Connection, rows: Iterable[Any], flows: list[Flow], count: int | None = None
    ) -> list[str]:
        known = {(flow.owner, flow.priority) for flow in flows}
        waiting = (WaitingJob(row.id, row.owner, row.priority) for row in rows if (row.owner, row.priority) in known)
        return list(islice(in_order(waiting, flows, self._database.now(connection)), count))


def _values(flow: Flow, met: Sequence[str]) -> dict[str, Any]:
    return {"flow_owner": flow.owner, "flow_priority": flow.priority, "met": met}


def _standing(row: Any) -> Standing:
    return Standing(row.sequence, row.id, row.owner)
