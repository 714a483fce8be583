"""The newest unfinished picture of each running job: pictures are never queued; slow readers miss some."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import insert, select, update

from adapters.service.store.database import Database
from adapters.service.store.records import Lease, Preview
from adapters.service.store.tables import jobs, previews


class Previews:
    """One row a job."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, lease: Lease, node_id: str, media_type: str, picture: bytes) -> None:
        """Replace the job's picture. Without effect where the lease was lost."""
        held = select(jobs.c.id).where(
            jobs.c.id == lease.job_id, jobs.c.lease_owner == lease.owner, jobs.c.attempts == lease.attempt
        )
        with self._database.write() as connection:
            if connection.execute(held).one_or_none() is None:
                return
            values = {"node_id": node_id, "media_type": media_type, "picture": picture}
            changed = connection.execute(
                update(previews)
                .where(previews.c.job_id == lease.job_id)
                .values(version=previews.c.version + 1, **values)
            )
            if not changed.rowcount:
                connection.execute(insert(previews).values(job_id=lease.job_id, version=1, **values))

    def newer(self, known: Mapping[str, int]) -> list[Preview]:
        """The pictures of all jobs whose version is not the one in ``known``."""
        with self._database.read() as connection:
            found = connection.execute(select(previews.c.job_id, previews.c.version)).all()
            changed = [row.job_id for row in found if known.get(row.job_id) != row.version]
            if not changed:
                return []
            rows = connection.execute(select(previews).where(previews.c.job_id.in_(changed))).all()
        return [_preview(row) for row in rows]

    def get(self, job_id: str) -> Preview | None:
        """The job's picture, if it has one."""
        with self._database.read() as connection:
            row = connection.execute(select(previews).where(previews.c.job_id == job_id)).one_or_none()
        return None if row is None else _preview(row)


def _preview(row: Any) -> Preview:
    return Preview(row.job_id, row.version, row.node_id, row.media_type, row.picture)
