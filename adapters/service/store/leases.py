"""Jobs as workers see them: claimed, kept alive, written to while the lease holds, ended once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, func, insert, or_, select, update

from adapters.service.store.database import Database
from adapters.service.store.errors import LeaseLost
from adapters.service.store.events import change
from adapters.service.store.jobs import ROW, STILL_QUEUED
from adapters.service.store.leftovers import note_files
from adapters.service.store.outbox import post
from adapters.service.store.queue import Can, Queue, anything, meeting
from adapters.service.store.records import Job, JobState, Lease, NewEvent, Output, OwnFile, StoredEvent
from adapters.service.store.rows import job_from, summary, webhook_from
from adapters.service.store.tables import jobs, outputs, previews

Error = Mapping[str, Any]

# Made once: to put a statement together takes longer than to run it.
_STILL_QUEUED_LOCKED = STILL_QUEUED.with_for_update(skip_locked=True)
_HOLDS = and_(
    jobs.c.id == bindparam("job_id"),
    jobs.c.state == JobState.RUNNING,
    jobs.c.lease_owner == bindparam("owner"),
    jobs.c.attempts == bindparam("attempt"),
)
_HELD = (  # without the workflow, which can be long
    select(
        *(jobs.c[name] for name in ("id", "created_at", "started_at", "attempts", "max_attempts")),
        *(jobs.c[name] for name in ("cancel_requested", "webhook")),
    )
    .where(_HOLDS)
    .with_for_update()
)
_CANCEL_REQUESTED = select(jobs.c.cancel_requested).where(_HOLDS)
_SLACK_S = 1.0  # between two readings of one clock
_ANY_LENGTH_S = 3600.0  # of a lease that says nothing of it
_ADD_OUTPUTS = insert(outputs)
_DROP_PREVIEW = delete(previews).where(previews.c.job_id == bindparam("job"))


def _ran_out(clock: float) -> ColumnElement[bool]:
    """Also a lease that is to begin later: its clock was another one, or was put back since."""
    expires, length_s = jobs.c.lease_expires_at, func.coalesce(jobs.c.lease_s, _ANY_LENGTH_S)
    return or_(expires < clock, expires - length_s > clock + _SLACK_S)


def _with_node(reason: Error, node: Mapping[str, str]) -> Error:
    """``reason``, with the node that ran."""
    where = f"node {node['node_id']} ({node['class_type']})"
    known = {name: node[name] for name in ("node_id", "class_type")}
    return {**reason, "message": f"{where} ran while {reason['message']}", **known}


class Leases:
    """The queue as workers use it. Everything raises ``LeaseLost`` once the job was taken from the worker."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queue = Queue(database)

    def claim(self, owner: str, lease_s: float, can: Can = anything) -> tuple[Job, Lease] | None:
        """The job that is next, now running and leased to ``owner`` for ``lease_s``; ``None`` where none waits.

        ``can``: whether the owner has what jobs need.
        """
        met = self._met(can)
        if not met:
            return None  # without the lock that writers take
        with self._database.write() as connection:
            turn = self._queue.take_turn(connection)
            row = self._queue.next(connection, met)
            return None if row is None else self._lease(connection, row, turn, owner, lease_s)

    def claim_fitting(
        self, owner: str, lease_s: float, fits: Callable[[Job], bool], look_at: int, can: Can = anything
    ) -> tuple[Job, Lease] | None:
        """The first among the next ``look_at`` waiting jobs that ``fits``, of those with the next one's priority."""
        met = self._met(can)
        if not met:
            return None
        with self._database.read() as connection:
            ids = self._queue.next_ids(connection, look_at, met)
            rows = {row.id: row for row in connection.execute(select(jobs).where(jobs.c.id.in_(ids)))}
        waiting = [rows[job_id] for job_id in ids if job_id in rows]
        equals = (row for row in waiting if row.priority == waiting[0].priority)
        chosen = next((row.id for row in equals if fits(job_from(row))), None)
        if chosen is None:
            return None
        with self._database.write() as connection:
            turn = self._queue.take_turn(connection)
            row = connection.execute(_STILL_QUEUED_LOCKED, {"job": chosen}).first()
            return None if row is None else self._lease(connection, row, turn, owner, lease_s)

    def _met(self, can: Can) -> list[str]:
        """Digests of what ``can`` says yes to, of jobs that could be started; asked while nobody waits for it."""
        with self._database.read() as connection:
            needs = self._queue.needs(connection) if self._queue.has_startable(connection) else {}
        return meeting(needs, can)

    def _lease(self, connection: Connection, row: Any, turn: int, owner: str, lease_s: float) -> tuple[Job, Lease]:
        now = self._database.now(connection)
        values = {
            "state": JobState.RUNNING,
            "lease_owner": owner,
            "lease_expires_at": self._database.steady(connection) + lease_s,
            "lease_s": lease_s,
            "attempts": row.attempts + 1,
            "started_at": now,
            "progress": None,
        }
        started = NewEvent("started", {"attempt": values["attempts"], "worker": owner})
        change(connection, row.id, values, [started], now)
        self._queue.served(connection, row, turn)
        claimed = connection.execute(ROW, {"job": row.id}).one()
        return job_from(claimed), Lease(row.id, owner, claimed.attempts)

    def renew(self, lease: Lease, lease_s: float) -> bool:
        """Hold the job for ``lease_s`` from now. Returns whether its cancellation was asked for."""
        with self._database.write() as connection:
            row = self._held(connection, lease)
            expires = self._database.steady(connection) + lease_s
            values = {"lease_expires_at": expires, "lease_s": lease_s}
            connection.execute(update(jobs).where(jobs.c.id == row.id).values(values))
            return bool(row.cancel_requested)

    def cancel_requested(self, lease: Lease) -> bool:
        """Whether the job is to stop."""
        with self._database.read() as connection:
            asked = connection.execute(_CANCEL_REQUESTED, asdict(lease)).scalar_one_or_none()
        if asked is None:
            raise LeaseLost(lease.job_id)
        return bool(asked)

    def record(
        self, lease: Lease, new_events: Sequence[NewEvent], progress: Mapping[str, Any] | None = None
    ) -> list[StoredEvent]:
        """Add to the job's log; ``progress`` is how far it is now."""
        with self._database.write() as connection:
            row = self._held(connection, lease)
            values = {} if progress is None else {"progress": dict(progress)}
            stored = change(connection, row.id, values, new_events, self._database.now(connection))
            post(connection, webhook_from(row.webhook), summary(row, JobState.RUNNING), stored)
            return stored

    def complete(
        self,
        lease: Lease,
        made: Sequence[Output],
        data: Mapping[str, Any] | None = None,
        *,
        first: Sequence[NewEvent] = (),
        progress: Mapping[str, Any] | None = None,
    ) -> None:
        """The job is done and made these outputs; ``data`` goes into its last event, ``first`` comes before that."""
        with self._database.write() as connection:
            row = self._held(connection, lease)
            if made:
                rows = [{"job_id": row.id, "place": place, **asdict(output)} for place, output in enumerate(made)]
                connection.execute(_ADD_OUTPUTS, rows)
            self._end(connection, row, JobState.COMPLETED, data=data, first=first, progress=progress)

    def fail(
        self, lease: Lease, error: Error, *, first: Sequence[NewEvent] = (), files: Sequence[OwnFile] = ()
    ) -> None:
        """The job has failed for good; ``first`` happened before that. ``files``: what it left in folders."""
        with self._database.write() as connection:
            row = self._held(connection, lease)
            note_files(connection, row, files, self._database.now(connection))
            self._end(connection, row, JobState.FAILED, error, first=first)

    def cancelled(self, lease: Lease, *, first: Sequence[NewEvent] = (), files: Sequence[OwnFile] = ()) -> None:
        """The job has stopped because it was asked to; ``first`` and ``files`` as in :meth:`fail`."""
        with self._database.write() as connection:
            row = self._held(connection, lease)
            note_files(connection, row, files, self._database.now(connection))
            self._end(connection, row, JobState.CANCELLED, first=first)

    def give_back(self, lease: Lease, reason: Error, *, spared: bool = False) -> None:
        """The worker cannot go on with the job (it shuts down, say): another one may, if tries are left.

        ``spared``: the job has no part in that, and loses no attempt.
        """
        with self._database.write() as connection:
            self._take_back(connection, self._held(connection, lease), reason, spared=spared)

    def take_back(
        self,
        owner: str | None,
        reason: Error,
        *,
        unless: Callable[[float], bool] = lambda _: False,
        but: Sequence[str] = (),
        ran: Mapping[str, Mapping[str, str]] | None = None,
        for_good: bool = False,
    ) -> list[str]:
        """Take the jobs of a dead ``owner``, or those whose lease has run out: queued again, or failed for ``reason``.

        None of the latter where ``unless``, which is given the clock that leases go by, says so, and none of the owners
        in ``but``. ``ran`` has, by job, the node that ran in it (``node_id``, ``class_type``) when the owner was lost:
        that job is to blame, and with ``for_good`` not tried again; the owner's other jobs lose no attempt. Returns the
        jobs' ids.
        """
        ran = ran or {}
        with self._database.write() as connection:
            lost = jobs.c.lease_owner == owner
            if owner is None:
                clock = self._database.steady(connection)
                if unless(clock):
                    return []
                lost = _ran_out(clock) & jobs.c.lease_owner.not_in(list(but))
            query = select(jobs).where(jobs.c.state == JobState.RUNNING, lost).with_for_update(skip_locked=True)
            rows = connection.execute(query).all()
            blamed = any(row.id in ran for row in rows)
            for row in rows:
                node = ran.get(row.id)
                told = reason if node is None else _with_node(reason, node)
                spared = blamed and node is None
                self._take_back(connection, row, told, spared=spared, for_good=for_good and node is not None)
            return [row.id for row in rows]

    def _take_back(
        self, connection: Connection, row: Any, reason: Error, *, spared: bool = False, for_good: bool = False
    ) -> None:
        if row.cancel_requested:
            self._end(connection, row, JobState.CANCELLED)
        elif for_good or (row.attempts >= row.max_attempts and not spared):
            self._end(connection, row, JobState.FAILED, reason)
        else:
            values = {"state": JobState.QUEUED, "lease_owner": None, "lease_expires_at": None, "progress": None}
            if spared:  # the number of the attempt is part of the fence, so it is not counted back
                values["max_attempts"] = row.max_attempts + 1
            connection.execute(_DROP_PREVIEW, {"job": row.id})
            event = NewEvent("requeued", {"attempt": row.attempts, "reason": dict(reason)})
            change(connection, row.id, values, [event], self._database.now(connection))

    def _end(
        self,
        connection: Connection,
        row: Any,
        state: JobState,
        error: Error | None = None,
        *,
        data: Mapping[str, Any] | None = None,
        first: Sequence[NewEvent] = (),
        progress: Mapping[str, Any] | None = None,
    ) -> None:
        now = self._database.now(connection)
        values = {
            "state": state,
            "finished_at": now,
            "error": None if error is None else dict(error),
            "lease_owner": None,
            "lease_expires_at": None,
        }
        if progress is not None:
            values["progress"] = dict(progress)
        connection.execute(_DROP_PREVIEW, {"job": row.id})
        told = {} if error is None else {"error": dict(error)}
        last = NewEvent(str(state), {**(data or {}), **told})
        stored = change(connection, row.id, values, [*first, last], now)
        post(connection, webhook_from(row.webhook), summary(row, state, error), stored)

    def _held(self, connection: Connection, lease: Lease) -> Any:
        row = connection.execute(_HELD, asdict(lease)).one_or_none()
        if row is None:
            raise LeaseLost(lease.job_id)
        return row
