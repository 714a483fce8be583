"""Jobs as clients see them: submitted, looked up, cancelled, forgotten."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Select, bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from adapters.service.store.database import Database, unique_violation
from adapters.service.store.errors import IdempotencyConflict, JobIdTaken, OwnQueueFull, QueueFull
from adapters.service.store.events import change
from adapters.service.store.leftovers import leave
from adapters.service.store.outbox import post
from adapters.service.store.queue import Can, Queue, anything, meeting
from adapters.service.store.records import ENDED, InputFile, Job, JobState, NewEvent, NewJob, Output, Standing
from adapters.service.store.rows import input_from, job_from, output_from, summary, webhook_from
from adapters.service.store.tables import counters, inputs, jobs, outputs

_ENDED = [str(state) for state in ENDED]

# Made once: to put a statement together takes longer than to run it.
ROW = select(jobs).where(jobs.c.id == bindparam("job"))
_QUEUED = jobs.c.state == JobState.QUEUED
STILL_QUEUED = select(jobs.c.id, jobs.c.attempts, jobs.c.owner, jobs.c.priority).where(
    _QUEUED, jobs.c.id == bindparam("job")
)
_STATE = select(jobs.c.state).where(jobs.c.id == bindparam("job"))
_ADD = insert(jobs).returning(jobs.c.sequence)
_OWNER = select(jobs.c.owner).where(jobs.c.id == bindparam("job"))
_OUTPUT = select(outputs).where(outputs.c.job_id == bindparam("job"), outputs.c.name == bindparam("output"))
_OUTPUTS = select(outputs).where(outputs.c.job_id == bindparam("job")).order_by(outputs.c.place)
_INPUTS = select(inputs).where(inputs.c.job_id == bindparam("job")).order_by(inputs.c.name)
_AT_ONCE = 500  # rows looked up by their numbers: a statement takes no more than some thousands
_COUNT = select(func.count()).select_from(jobs).where(jobs.c.state == bindparam("state"))


class Jobs:
    """The queue as clients use it. Ids that do not exist give ``None`` or change nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queue = Queue(database)

    def submit(self, new: NewJob, queue_limit: int | None = None, own_limit: int | None = None) -> tuple[Job, bool]:
        """Put a job into the queue: the job, and whether it is new.

        It is not where its idempotency key was used by the same owner for the same request; that job is returned.
        ``own_limit``: how many jobs of the same owner may wait.

        Raises ``QueueFull``, ``OwnQueueFull``, ``IdempotencyConflict``, ``JobIdTaken``.
        """
        try:
            with self._database.write() as connection:
                full = _refusal(connection, new, queue_limit, own_limit)
                if full is not None and self._known(connection, new) is None:
                    raise full
                return self._insert(connection, new), True
        except IntegrityError as error:
            if not unique_violation(error, "jobs_idempotency", "jobs.idempotency_key"):
                raise JobIdTaken(new.id or "") from error
        with self._database.read() as connection:
            known = self._known(connection, new)
        if known is None or known.content_hash != _content_hash(new) or not _same_webhook(known.webhook, new):
            raise IdempotencyConflict(new.idempotency_key or "")
        return job_from(known), False

    def get(self, job_id: str) -> Job | None:
        """One job."""
        with self._database.read() as connection:
            row = connection.execute(ROW, {"job": job_id}).one_or_none()
        return None if row is None else job_from(row)

    def has_ended(self, job_id: str) -> bool:
        """Whether nothing more will happen to it; so too where there is none."""
        with self._database.read() as connection:
            state = connection.execute(_STATE, {"job": job_id}).scalar_one_or_none()
        return state is None or JobState(state).ended

    def owner_of(self, job_id: str) -> str | None:
        """Whose it is; ``None`` where there is none."""
        with self._database.read() as connection:
            owner: str | None = connection.execute(_OWNER, {"job": job_id}).scalar_one_or_none()
        return owner

    def next_waiting(self, can: Can = anything) -> Job | None:
        """The job that a worker which ``can`` would take now."""
        with self._database.read() as connection:
            met = meeting(self._queue.needs(connection), can)
            first = self._queue.next_ids(connection, 1, met)
            row = connection.execute(ROW, {"job": first[0]}).one_or_none() if first else None
        return None if row is None else job_from(row)

    def find(
        self,
        *,
        states: Sequence[JobState] = (),
        owner: str | None = None,
        source: str | None = None,
        created_after: float | None = None,
        created_before: float | None = None,
        before: int | None = None,
        limit: int = 100,
        hidden: bool | None = None,
    ) -> list[Job]:
        """Jobs that meet all conditions, newest first; ``before`` is the ``sequence`` to go on from."""
        query = select(jobs).order_by(jobs.c.sequence.desc()).limit(limit)
        if states:
            query = query.where(jobs.c.state.in_([str(state) for state in states]))
        if created_after is not None:
            query = query.where(jobs.c.created_at > created_after)
        if created_before is not None:
            query = query.where(jobs.c.created_at < created_before)
        if before is not None:
            query = query.where(jobs.c.sequence < before)
        for column, value in ((jobs.c.owner, owner), (jobs.c.source, source), (jobs.c.hidden, hidden)):
            if value is not None:
                query = query.where(column == value)
        return self._fetch(query)

    def queue(self) -> tuple[list[Job], list[Job]]:
        """The running jobs, and the waiting ones in the order in which they will run."""
        running, waiting = self.standing()
        found = {job.sequence: job for job in self.numbered([one.sequence for one in (*running, *waiting)])}
        in_order = [[found[one.sequence] for one in side if one.sequence in found] for side in (running, waiting)]
        return in_order[0], in_order[1]

    def standing(self) -> tuple[list[Standing], list[Standing]]:
        """As :meth:`queue`, without what the jobs are to do, which takes long to read of thousands."""
        with self._database.read() as connection:
            return self._queue.standing(connection)

    def numbered(self, sequences: Sequence[int]) -> list[Job]:
        """The jobs of these ``sequence`` numbers, as far as they are there, in no order."""
        chunks = [sequences[start : start + _AT_ONCE] for start in range(0, len(sequences), _AT_ONCE)]
        return [job for chunk in chunks for job in self._fetch(select(jobs).where(jobs.c.sequence.in_(chunk)))]

    def needs_waiting(self) -> dict[str, tuple[str, ...]]:
        """What waiting jobs need, each set once, by its digest; the empty one is nothing."""
        with self._database.read() as connection:
            return self._queue.needs(connection)

    def unfinished(self) -> tuple[int, dict[str, tuple[JobState, str]]]:
        """The newest event's position, and state and owner of each job that had not ended then: one look at both."""
        # A single statement, so that one state of the database gives both.
        query = (
            select(counters.c.value, jobs.c.id, jobs.c.state, jobs.c.owner)
            .select_from(counters.outerjoin(jobs, jobs.c.state.not_in(_ENDED)))
            .where(counters.c.name == "position")
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return int(rows[0][0]), {row.id: (JobState(row.state), row.owner) for row in rows if row.id is not None}

    def ended(
        self, *, owner: str | None = None, newest: int | None = None, offset: int = 0, limit: int = 1000
    ) -> list[Job]:
        """Jobs that ran, ended and are not hidden, in the order of their ends: the ``newest`` so many, or up to
        ``limit`` from the ``offset``-th on.
        """
        query = select(jobs).where(jobs.c.state.in_(_ENDED), jobs.c.hidden.is_(False), jobs.c.started_at.is_not(None))
        if owner is not None:
            query = query.where(jobs.c.owner == owner)
        if newest is not None:
            found = self._fetch(query.order_by(jobs.c.finished_at.desc(), jobs.c.sequence.desc()).limit(newest))
            return found[::-1]
        return self._fetch(query.order_by(jobs.c.finished_at, jobs.c.sequence).offset(offset).limit(limit))

    def place(self, job: Job) -> int:
        """Where a waiting job stands in the queue: 1 is next."""
        with self._database.read() as connection:
            order = self._queue.ids(connection)
        return order.index(job.id) + 1 if job.id in order else len(order) + 1

    def places(self) -> dict[str, int]:
        """Where every waiting job stands in the queue, by id: 1 is next."""
        with self._database.read() as connection:
            order = self._queue.ids(connection)
        return {job_id: place for place, job_id in enumerate(order, 1)}

    def count(self, state: JobState, owner: str | None = None) -> int:
        """How many jobs are in ``state``; of all owners, or one."""
        with self._database.read() as connection:
            return _count(connection, state, owner)

    def oldest_waiting_s(self) -> float:
        """How long the oldest waiting job waits; 0 where none does."""
        with self._database.read() as connection:
            query = select(func.min(jobs.c.created_at)).where(jobs.c.state == JobState.QUEUED)
            oldest = connection.execute(query).scalar()
            return 0.0 if oldest is None else max(0.0, self._database.now(connection) - oldest)

    def cancel(self, job_id: str, *, only: JobState | None = None) -> Job | None:
        """Cancel that job: at once while it waits, within a sampler step while it runs, not at all when it has ended.

        ``only``: leave it alone unless it is in that state. Returns the job as it stands then.
        """
        with self._database.write() as connection:
            row = connection.execute(select(jobs).where(jobs.c.id == job_id).with_for_update()).one_or_none()
            if row is None:
                return None
            now = self._database.now(connection)
            if only is not None and row.state != only:
                return job_from(row)
            if row.state == JobState.QUEUED:
                values = {"state": JobState.CANCELLED, "finished_at": now, "cancel_requested": True}
                event = NewEvent("cancelled")
            elif row.state == JobState.RUNNING and not row.cancel_requested:
                values = {"cancel_requested": True}
                event = NewEvent("cancel_requested")
            else:
                return job_from(row)
            stored = change(connection, job_id, values, [event], now)
            post(connection, webhook_from(row.webhook), summary(row, JobState.CANCELLED), stored)
            return job_from(connection.execute(ROW, {"job": job_id}).one())

    def outputs(self, job_id: str) -> list[Output]:
        """What the job made, in order."""
        with self._database.read() as connection:
            return [output_from(row) for row in connection.execute(_OUTPUTS, {"job": job_id})]

    def output(self, job_id: str, name: str) -> Output | None:
        """One of the things that the job made."""
        with self._database.read() as connection:
            row = connection.execute(_OUTPUT, {"job": job_id, "output": name}).one_or_none()
        return None if row is None else output_from(row)

    def output_file(self, folder: str, subfolder: str, filename: str, space: str = "") -> Output | None:
        """The newest output that a job of this space saved under this name."""
        query = (
            select(outputs)
            .join(jobs, jobs.c.id == outputs.c.job_id)
            .where(outputs.c.folder == folder, outputs.c.subfolder == subfolder, outputs.c.filename == filename)
            .where(func.coalesce(jobs.c.request["space"].as_string(), "") == space)
            .order_by(jobs.c.sequence.desc())
            .limit(1)
        )
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else output_from(row)

    def inputs(self, job_id: str) -> list[InputFile]:
        """The files that came with the job."""
        with self._database.read() as connection:
            return [input_from(row) for row in connection.execute(_INPUTS, {"job": job_id})]

    def hide(self, job_ids: Sequence[str] | None = None, *, owner: str | None = None) -> None:
        """Take ended jobs (all, or these; of all owners, or one) out of histories; their records stay until the
        clean-up.
        """
        query = update(jobs).where(jobs.c.state.in_(_ENDED)).values(hidden=True)
        if owner is not None:
            query = query.where(jobs.c.owner == owner)
        with self._database.write() as connection:
            connection.execute(query if job_ids is None else query.where(jobs.c.id.in_(list(job_ids))))

    def forget(self, *, ended_before: float, limit: int = 1000) -> int:
        """Delete up to ``limit`` jobs that ended before then; how many. What they had elsewhere is left over then."""
        with self._database.write(patient=True) as connection:
            old = (
                select(jobs.c.id)
                .where(jobs.c.state.in_(_ENDED), jobs.c.finished_at < ended_before)
                .order_by(jobs.c.finished_at)
                .limit(limit)
                .with_for_update(skip_locked=True)
            )
            ids = list(connection.execute(old).scalars())
            if not ids:
                return 0
            leave(connection, ids, self._database.now(connection))
            return connection.execute(delete(jobs).where(jobs.c.id.in_(ids))).rowcount

    def _known(self, connection: Connection, new: NewJob) -> Any:
        if new.idempotency_key is None:
            return None
        query = select(jobs).where(jobs.c.owner == new.owner, jobs.c.idempotency_key == new.idempotency_key)
        return connection.execute(query).one_or_none()

    def _insert(self, connection: Connection, new: NewJob) -> Job:
        now = self._database.now(connection)
        job_id = new.id or str(uuid.uuid4())
        row = {
            "id": job_id,
            "state": JobState.QUEUED,
            "source": new.source,
            "owner": new.owner,
            "client_id": new.client_id,
            "priority": new.priority,
            "created_at": now,
            "max_attempts": new.max_attempts,
            "time_limit_s": new.time_limit_s,
            "idempotency_key": new.idempotency_key,
            "content_hash": _content_hash(new),
            "request": {
                "prompt": new.prompt,
                "extra_pnginfo": new.extra_pnginfo,
                "targets": None if new.targets is None else list(new.targets),
                "options": new.options,
                "space": new.space,
            },
            "needs": list(new.needs) or None,
            "needs_digest": new.needs_digest,
            "webhook": None if new.webhook is None else asdict(new.webhook),
        }
        sequence = connection.execute(_ADD, row).scalar_one()
        rank = float(sequence if new.rank is None else new.rank)
        rank = -abs(rank) if new.front else rank
        if new.files:
            connection.execute(insert(inputs), [{"job_id": job_id, **asdict(file)} for file in new.files])
        queued = NewEvent("queued", {"priority": new.priority})
        change(connection, job_id, {"rank": rank}, [queued], now)
        return job_from(connection.execute(ROW, {"job": job_id}).one())

    def _fetch(self, query: Select[Any]) -> list[Job]:
        with self._database.read() as connection:
            return [job_from(row) for row in connection.execute(query)]


def _count(connection: Connection, state: JobState, owner: str | None = None) -> int:
    query = _COUNT if owner is None else _COUNT.where(jobs.c.owner == owner)
    return int(connection.execute(query, {"state": state}).scalar_one())


def _refusal(connection: Connection, new: NewJob, queue_limit: int | None, own_limit: int | None) -> Exception | None:
    if own_limit is not None and _count(connection, JobState.QUEUED, new.owner) >= own_limit:
        return OwnQueueFull(own_limit)
    if queue_limit is not None and _count(connection, JobState.QUEUED) >= queue_limit:
        return QueueFull(queue_limit)
    return None


def _same_webhook(known: Mapping[str, Any] | None, new: NewJob) -> bool:
    """Whether the messages go to where the request wants them; a secret that was made for it is another each time."""
    if known is None or new.webhook is None:
        return known is None and new.webhook is None
    same = (known["url"], sorted(known["events"])) == (new.webhook.url, sorted(new.webhook.events))
    return same and (not new.own_secret or known["secret"] == new.webhook.secret)


def _content_hash(new: NewJob) -> str:
    """Of what makes two requests the same; not of how soon they are wanted."""
    content = [new.prompt, new.targets, new.options, [(file.name, file.digest) for file in new.files]]
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()
