"""Jobs as the native API shows them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, Field

from adapters.server.problems import ProblemItem
from adapters.store.records import Job, JobState


class Progress(BaseModel):
    """How far a job is. ``fraction`` is 0 to 1 over all of it, ``value`` of ``max`` what the current node says."""

    done: int = Field(description="Finished steps.")
    total: int = Field(description="All steps.")
    fraction: float = Field(ge=0, le=1)
    eta_s: float | None = Field(default=None, description="Estimated seconds until the end.")
    node_id: str | None = None
    class_type: str | None = None
    value: float | None = None
    max: float | None = None


class JobError(BaseModel):
    """Why a job failed."""

    type: str = Field(examples=["NodeFailed", "OutOfMemory", "WorkerLost", "TimeLimit"])
    message: str
    remedy: str = ""
    node_id: str | None = None
    class_type: str | None = None
    input: str | None = None
    inputs: dict[str, Any] | None = None
    cause_type: str | None = None
    problems: list[ProblemItem] = []


class JobDocument(BaseModel):
    """A job as it stands now."""

    id: str
    state: JobState
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    priority: int
    attempts: int = Field(description="How often it was started.")
    max_attempts: int
    time_limit_s: float
    cancel_requested: bool
    progress: Progress | None = None
    error: JobError | None = None
    last_event: int = Field(description="Number of its newest event; streams take `after` from here.")


def job_document(job: Job) -> JobDocument:
    """The document of ``job``."""
    return JobDocument(
        id=job.id,
        state=job.state,
        created_at=moment(job.created_at),
        started_at=None if job.started_at is None else moment(job.started_at),
        finished_at=None if job.finished_at is None else moment(job.finished_at),
        priority=job.priority,
        attempts=job.attempts,
        max_attempts=job.max_attempts,
        time_limit_s=job.time_limit_s,
        cancel_requested=job.cancel_requested,
        progress=None if job.progress is None else Progress.model_validate(job.progress),
        error=None if job.error is None else JobError.model_validate(job.error),
        last_event=job.last_event,
    )


def moment(unix_s: float) -> datetime:
    """A time of the store."""
    return datetime.fromtimestamp(unix_s, UTC)
