"""The outbox: webhook messages are stored with the event that they tell of, and sent by whoever claims them later."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BindParameter, Connection, Double, bindparam, insert, or_, select, update

from adapters.service.store.database import Database
from adapters.service.store.records import Delivery, StoredEvent, Webhook
from adapters.service.store.tables import deliveries

_SLACK_S = 1.0  # between two readings of one clock
_NOW: BindParameter[float] = bindparam("now", type_=Double)
# Also what is to begin to wait later than now: the clock was put back since.
_IS_DUE = or_(
    deliveries.c.next_at <= _NOW,
    deliveries.c.next_at - deliveries.c.wait_s > _NOW + _SLACK_S,
)
_DUE = (
    select(deliveries)
    .where(deliveries.c.state == "pending", _IS_DUE)
    .order_by(deliveries.c.next_at, deliveries.c.created_at)
    .limit(bindparam("limit"))
)


def post(
    connection: Connection, webhook: Webhook | None, job: Mapping[str, Any], stored: Iterable[StoredEvent]
) -> None:
    """Put a message into the outbox for each of the events that ``webhook`` asks for, in the caller's transaction.

    ``job``: what the message says of the job. A finished node is what ``progress`` means.
    """
    if webhook is None:
        return
    for event in stored:
        kind = "progress" if event.kind == "node_finished" else event.kind
        if kind not in webhook.events:
            continue
        message_id = f"msg_{secrets.token_hex(12)}"
        body = {
            "id": message_id,
            "type": f"job.{kind}",
            "timestamp": datetime.fromtimestamp(event.time, UTC).isoformat(),
            "job_id": event.job_id,
            "number": event.number,
            "data": {**job, **event.data},
        }
        values = {
            "id": message_id,
            "job_id": event.job_id,
            "event_number": event.number,
            "event": kind,
            "url": webhook.url,
            "secret": webhook.secret,
            "body": json.dumps(body, ensure_ascii=False),
            "state": "pending",
            "next_at": event.time,
            "created_at": event.time,
        }
        connection.execute(insert(deliveries).values(values))


class Outbox:
    """Messages that are due, and what became of them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, limit: int, lease_s: float) -> list[Delivery]:
        """Messages that are due, oldest first. They come up again after ``lease_s`` unless their outcome is told."""
        with self._database.read() as connection:
            now = self._database.now(connection)
            if connection.execute(_DUE, {"now": now, "limit": 1}).first() is None:
                return []  # without the lock that writers take
        with self._database.write() as connection:
            now = self._database.now(connection)
            rows = connection.execute(_DUE.with_for_update(skip_locked=True), {"now": now, "limit": limit}).all()
            if rows:
                chosen = deliveries.c.id.in_([row.id for row in rows])
                connection.execute(update(deliveries).where(chosen).values(next_at=now + lease_s, wait_s=lease_s))
        return [_delivery(row) for row in rows]

    def reclaim(self) -> None:
        """Whoever claimed messages is dead: what was claimed for its first attempt is due now, not after the lease.

        A message that another process is just sending may be sent twice, under the same id.
        """
        with self._database.write() as connection:
            claimed = (
                deliveries.c.state == "pending",
                deliveries.c.attempts == 0,
                deliveries.c.next_at > self._database.now(connection),
            )
            values = {"next_at": self._database.now(connection)}
            connection.execute(update(deliveries).where(*claimed).values(values))

    def delivered(self, delivery_id: str, status: int) -> None:
        """The receiver took it."""
        self._end(delivery_id, "delivered", status, None)

    def failed(self, delivery_id: str, error: str, retry_at: float | None, status: int | None = None) -> None:
        """An attempt failed; without ``retry_at`` it was the last one, and the message is dead."""
        if retry_at is None:
            self._end(delivery_id, "dead", status, error)
            return
        with self._database.write() as connection:
            connection.execute(
                update(deliveries)
                .where(deliveries.c.id == delivery_id)
                .values(
                    attempts=deliveries.c.attempts + 1,
                    next_at=retry_at,
                    wait_s=retry_at - self._database.now(connection),
                    last_status=status,
                    last_error=error[:1000],
                )
            )

    def postpone(self, delivery_ids: Sequence[str], until: float) -> None:
        """Give claimed messages back unsent: they are due at ``until`` (Unix seconds), and no attempt is counted."""
        chosen = deliveries.c.id.in_(delivery_ids), deliveries.c.state == "pending"
        with self._database.write() as connection:
            wait_s = until - self._database.now(connection)
            connection.execute(update(deliveries).where(*chosen).values(next_at=until, wait_s=wait_s))

    def redeliver(self, delivery_id: str) -> Delivery | None:
        """Make the message due again with a fresh count of attempts; ``None`` where there is no such message."""
        with self._database.write() as connection:
            values = {"state": "pending", "attempts": 0, "next_at": self._database.now(connection), "finished_at": None}
            query = update(deliveries).where(deliveries.c.id == delivery_id).values(values).returning(deliveries)
            row = connection.execute(query).one_or_none()
        return None if row is None else _delivery(row)

    def get(self, delivery_id: str) -> Delivery | None:
        """One message."""
        with self._database.read() as connection:
            row = connection.execute(select(deliveries).where(deliveries.c.id == delivery_id)).one_or_none()
        return None if row is None else _delivery(row)

    def find(self, job_id: str | None = None, state: str | None = None, limit: int = 100) -> list[Delivery]:
        """Messages of a job or in a state, newest first."""
        query = select(deliveries).order_by(deliveries.c.created_at.desc(), deliveries.c.event_number.desc())
        if job_id is not None:
            query = query.where(deliveries.c.job_id == job_id)
        if state is not None:
            query = query.where(deliveries.c.state == state)
        with self._database.read() as connection:
            return [_delivery(row) for row in connection.execute(query.limit(limit)).all()]

    def _end(self, delivery_id: str, state: str, status: int | None, error: str | None) -> None:
        with self._database.write() as connection:
            now = self._database.now(connection)
            connection.execute(
                update(deliveries)
                .where(deliveries.c.id == delivery_id)
                .values(
                    state=state,
                    attempts=deliveries.c.attempts + 1,
                    finished_at=now,
                    last_status=status,
                    last_error=error and error[:1000],
                )
            )


def _delivery(row: Any) -> Delivery:
    return Delivery(
        id=row.id,
        job_id=row.job_id,
        event=row.event,
        url=row.url,
        secret=row.secret,
        body=row.body,
        state=row.state,
        attempts=row.attempts,
        next_at=row.next_at,
        created_at=row.created_at,
        last_status=row.last_status,
        last_error=row.last_error,
    )
