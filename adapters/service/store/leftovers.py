"""What forgotten jobs left: files in folders and blobs, to be removed where no other job has them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Select, delete, func, insert, literal, select, update

from adapters.service.store.database import Database
from adapters.service.store.records import Leftover, OwnFile
from adapters.service.store.tables import inputs, jobs, leftovers, outputs

BLOB = ""  # in place of a folder
_COLUMNS = ("job_id", "space", "folder", "subfolder", "filename", "digest", "ended_at", "forgotten_at")
_SPACE = func.coalesce(jobs.c.request["space"].as_string(), "")


class Leftovers:
    """Rows of files and blobs whose jobs are gone, in the order in which they were written."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def after(self, last_id: int, limit: int = 200) -> list[Leftover]:
        """The next ones after ``last_id``."""
        query = select(leftovers).where(leftovers.c.id > last_id, leftovers.c.forgotten_at.is_not(None))
        with self._database.read(patient=True) as connection:
            return [_leftover(row) for row in connection.execute(query.order_by(leftovers.c.id).limit(limit))]

    def digests(self) -> set[str]:
        """Every blob that a job's inputs or outputs refer to."""
        with self._database.read(patient=True) as connection:
            query = select(outputs.c.digest).where(outputs.c.digest.is_not(None)).union(select(inputs.c.digest))
            return {digest for (digest,) in connection.execute(query)}

    def digests_in_use(self, digests: Collection[str]) -> set[str]:
        """Those among them that a job has, as what it made or was given."""
        among = select(outputs.c.digest).where(outputs.c.digest.in_(digests))
        with self._database.read() as connection:
            query = among.union(select(inputs.c.digest).where(inputs.c.digest.in_(digests)))
            return {digest for (digest,) in connection.execute(query)}

    def files_in_use(self, found: Iterable[Leftover]) -> set[OwnFile]:
        """Those files among them that a job has under the same name."""
        names = {one.file.filename for one in found}
        theirs = (outputs.c.folder, outputs.c.subfolder, outputs.c.filename, outputs.c.digest)
        made = select(_SPACE, *theirs).join(jobs, jobs.c.id == outputs.c.job_id).where(outputs.c.filename.in_(names))
        given = (literal("input"), literal(""), inputs.c.stored_name, inputs.c.digest)
        brought = select(_SPACE, *given).join(jobs, jobs.c.id == inputs.c.job_id).where(inputs.c.stored_name.in_(names))
        kept = (leftovers.c.space, leftovers.c.folder, leftovers.c.subfolder, leftovers.c.filename, leftovers.c.digest)
        unfinished = select(*kept).where(leftovers.c.filename.in_(names), leftovers.c.forgotten_at.is_(None))
        with self._database.read() as connection:
            return {
                OwnFile(*row) for query in (made, brought, unfinished) for row in connection.execute(query) if row[1]
            }

    def drop(self, ids: Sequence[int]) -> None:
        """They are done with."""
        if ids:
            with self._database.write() as connection:
                connection.execute(delete(leftovers).where(leftovers.c.id.in_(ids)))

    def expire(self, forgotten_before: float) -> None:
        """Drop those of jobs that were forgotten before then: whoever has their files had the time to remove them."""
        with self._database.write() as connection:
            connection.execute(delete(leftovers).where(leftovers.c.forgotten_at < forgotten_before))


def leave(connection: Connection, job_ids: Sequence[str], now: float) -> None:
    """Write down what these jobs have, before they are deleted in the same transaction."""
    made = select(outputs.c.job_id, _SPACE, *_place("folder", "subfolder", "filename"), *_times(outputs, now))
    files = made.join(jobs, jobs.c.id == outputs.c.job_id).where(
        outputs.c.job_id.in_(job_ids), outputs.c.digest.is_not(None), outputs.c.folder.is_not(None)
    )
    _add(connection, files.where(outputs.c.found.is_(False)))
    given = select(inputs.c.job_id, _SPACE, literal("input"), literal(""), inputs.c.stored_name, *_times(inputs, now))
    _add(connection, given.join(jobs, jobs.c.id == inputs.c.job_id).where(inputs.c.job_id.in_(job_ids)))
    for table in (outputs, inputs):
        blobs = select(table.c.job_id, _SPACE, literal(BLOB), literal(""), literal(""), *_times(table, now)).distinct()
        owned = table.c.job_id.in_(job_ids) & table.c.digest.is_not(None)
        _add(connection, blobs.join(jobs, jobs.c.id == table.c.job_id).where(owned))
    unfinished = leftovers.c.job_id.in_(job_ids)
    connection.execute(update(leftovers).where(unfinished).values(forgotten_at=now))


def note_files(connection: Connection, row: Any, files: Sequence[OwnFile], now: float) -> None:
    """A job that ends without outputs (``row``) put these files into folders, which go with it."""
    if files:
        own = [{"job_id": row.id, "ended_at": now, **_columns(file)} for file in files]
        connection.execute(insert(leftovers), own)
        blobs = [{**values, "folder": BLOB, "subfolder": "", "filename": ""} for values in own]
        connection.execute(insert(leftovers), blobs)


def _columns(file: OwnFile) -> dict[str, str]:
    return dict(zip(OwnFile._fields, file, strict=True))


def _place(*names: str) -> list[Any]:
    return [func.coalesce(outputs.c[name], "") for name in names]


def _times(table: Any, now: float) -> tuple[Any, ...]:
    return table.c.digest, func.coalesce(jobs.c.finished_at, now), literal(now)


def _add(connection: Connection, query: Select[Any]) -> None:
    connection.execute(insert(leftovers).from_select(_COLUMNS, query))


def _leftover(row: Any) -> Leftover:
    file = OwnFile(row.space, row.folder, row.subfolder, row.filename, row.digest)
    return Leftover(row.id, row.job_id, file, row.ended_at)
