"""Turns rows of the database into records, and what a message says of a job."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from adapters.service.store.records import InputFile, Job, JobState, Output, Webhook


def job_from(row: Any) -> Job:
    """A row of ``jobs``."""
    request: Mapping[str, Any] = row.request
    targets = request.get("targets")
    return Job(
        sequence=row.sequence,
        id=row.id,
        state=JobState(row.state),
        source=row.source,
        owner=row.owner,
        client_id=row.client_id,
        priority=row.priority,
        rank=float(row.rank),  # SQLite returns whole numbers of an UPDATE as integers
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        attempts=row.attempts,
        max_attempts=row.max_attempts,
        time_limit_s=row.time_limit_s,
        lease_owner=row.lease_owner,
        cancel_requested=row.cancel_requested,
        hidden=row.hidden,
        idempotency_key=row.idempotency_key,
        prompt=request["prompt"],
        extra_pnginfo=request["extra_pnginfo"],
        targets=None if targets is None else tuple(targets),
        options=request["options"],
        space=request.get("space", ""),
        webhook=webhook_from(row.webhook),
        progress=row.progress,
        error=row.error,
        last_event=row.last_event,
        needs=tuple(row.needs or ()),
        needs_digest=row.needs_digest,
    )


def webhook_from(document: Mapping[str, Any] | None) -> Webhook | None:
    """The column ``webhook`` of a job."""
    if document is None:
        return None
    # A job of an earlier version has no address.
    return Webhook(document["url"], document["secret"], tuple(document["events"]), document.get("links_at", ""))


def output_from(row: Any) -> Output:
    """A row of ``outputs``."""
    return Output(
        name=row.name,
        node_id=row.node_id,
        class_type=row.class_type,
        kind=row.kind,
        cached=row.cached,
        media_type=row.media_type,
        size_bytes=row.size_bytes,
        digest=row.digest,
        folder=row.folder,
        subfolder=row.subfolder,
        filename=row.filename,
        data=row.data,
        found=row.found,
    )


def input_from(row: Any) -> InputFile:
    """A row of ``inputs``."""
    return InputFile(row.name, row.digest, row.stored_name, row.media_type, row.size_bytes)


def summary(row: Any, state: JobState, error: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What webhook messages say of the job itself."""
    return {
        "id": row.id,
        "state": str(state),
        "created_at": _iso(row.created_at),
        "started_at": None if row.started_at is None else _iso(row.started_at),
        "attempts": row.attempts,
        "error": error,
    }


def _iso(time_s: float) -> str:
    return datetime.fromtimestamp(time_s, UTC).isoformat()
