"""Jobs as the native API shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from adapters.doors.http.native.moments import moment, moment_or_none
from adapters.doors.http.native.output_documents import Delivery, OutputDocument, output_documents
from adapters.doors.http.problems import ProblemItem
from adapters.doors.http.services import Services
from adapters.service.needs import unmet
from adapters.service.store.records import Job, JobState


class Progress(BaseModel):
    """How far a job is. `fraction` is 0 to 1 over all of it, `value` of `max` what the current node says."""

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

    id: str = Field(examples=["0d9f6f0c-5f0e-4c56-8d5a-6f0c5d2f1b7e"])
    state: JobState
    queue_place: int | None = Field(default=None, description="1 is next; only while it waits.")
    waits_for: list[str] = Field(
        default=[], description="Node classes and models that it needs and no worker has; it runs once one has them."
    )
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    priority: int
    attempts: int = Field(description="How often it was started.")
    max_attempts: int
    time_limit_s: float
    cancel_requested: bool
    seed: int | None = Field(default=None, description="Of `/v1/generate`.")
    idempotency_key: str | None = None
    webhook_secret: str | None = Field(
        default=None,
        description="Only in the reply to the submission that had one made: keep it, check messages by it.",
    )
    progress: Progress | None = None
    outputs: list[OutputDocument] | None = Field(default=None, description="Once it has ended; lists leave them out.")
    error: JobError | None = None
    notes: list[str] = Field(
        default=[], description="What was left out of the workflow when it was read, and what was filled in."
    )
    last_event: int = Field(description="Number of its newest event; streams take `after` from here.")


def job_document(job: Job, now: Services, delivery: Delivery | None = None) -> JobDocument:
    """All there is to say of ``job``. Reads the database, and files that are to come inline."""
    document = job_summary(job)
    if job.state is JobState.QUEUED:
        document.queue_place = now.store.jobs.place(job)
        if job.needs_digest:
            document.waits_for = unmet(job.needs_digest, now.store.workers.alive(now.settings.lease_s))
    if job.state.ended:
        document.outputs = output_documents(job, now, delivery)
    return document


def job_summary(job: Job) -> JobDocument:
    """What the job's own row says."""
    return JobDocument(
        id=job.id,
        state=job.state,
        created_at=moment(job.created_at),
        started_at=moment_or_none(job.started_at),
        finished_at=moment_or_none(job.finished_at),
        priority=job.priority,
        attempts=job.attempts,
        max_attempts=job.max_attempts,
        time_limit_s=job.time_limit_s,
        cancel_requested=job.cancel_requested,
        seed=job.options.get("seed"),
        idempotency_key=job.idempotency_key,
        progress=_progress(job),
        error=None if job.error is None else JobError.model_validate(job.error),
        notes=list(job.options.get("notes", ())),
        last_event=job.last_event,
    )


def _progress(job: Job) -> Progress | None:
    if job.progress is None:
        return None
    progress = Progress.model_validate(job.progress)
    if job.state.ended:
        progress.eta_s = 0.0  # Of a job that was stopped, what it said last still stands in its row.
    return progress
