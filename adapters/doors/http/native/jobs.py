"""Jobs: looked up, listed, cancelled."""

from __future__ import annotations

from typing import Annotated, Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from adapters.doors.http.native.access import JobId, Reader, Submitter, check_visible, visible_job
from adapters.doors.http.native.job_documents import JobDocument, job_document, job_summary
from adapters.doors.http.native.moments import Moment
from adapters.doors.http.native.output_documents import Delivery
from adapters.doors.http.native.waiting import Wait, until_ended
from adapters.doors.http.openapi import problems
from adapters.doors.http.services import ServicesNow
from adapters.service.store.records import JobState

router = APIRouter(prefix="/jobs", tags=["jobs"])


class JobPage(BaseModel):
    """Some of the jobs, newest first."""

    jobs: list[JobDocument]
    next_cursor: int | None = Field(default=None, description="Give it as `cursor` to go on; null at the end.")


@router.get("", operation_id="list_jobs", summary="List jobs")
def list_jobs(
    now: ServicesNow,
    caller: Reader,
    state: Annotated[list[JobState] | None, Query(description="Only jobs in these states.")] = None,
    source: Annotated[str | None, Query(description="Only of this door.", pattern=r"^[a-z-]{1,12}$")] = None,
    created_after: Annotated[Moment | None, Query(description="Only jobs after this (UTC if without a zone).")] = None,
    created_before: Annotated[
        Moment | None, Query(description="Only jobs before this (UTC if without a zone).")
    ] = None,
    cursor: Annotated[int | None, Query(ge=0, lt=2**53, description="`next_cursor` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> JobPage:
    """Your jobs (all jobs, with the scope `admin`), newest first, without their outputs."""
    found = now.store.jobs.find(
        states=state or (),
        owner=None if caller.is_admin else caller.owner,
        source=source,
        created_after=None if created_after is None else created_after.timestamp(),
        created_before=None if created_before is None else created_before.timestamp(),
        before=cursor,
        limit=limit + 1,
    )
    more = len(found) > limit
    page = found[:limit]
    waits = any(job.state is JobState.QUEUED for job in page)
    places = now.store.jobs.places() if waits else {}
    documents = [job_summary(job).model_copy(update={"queue_place": places.get(job.id)}) for job in page]
    return JobPage(jobs=documents, next_cursor=page[-1].sequence if more else None)


@router.get("/{job_id}", operation_id="get_job", summary="Look a job up", responses=problems(404))
async def get_job(
    job_id: JobId,
    now: ServicesNow,
    caller: Reader,
    wait: Wait = 0,
    delivery: Annotated[Delivery | None, Query(description="Instead of what the job asked for.")] = None,
) -> JobDocument:
    """The job as it stands: state, progress, place in the queue, outputs once it has ended, error if it failed."""
    job = await run_sync(visible_job, now, job_id, caller)
    await until_ended(now, job, wait)
    job = await run_sync(visible_job, now, job_id, caller)
    return await run_sync(job_document, job, now, delivery)


@router.get(
    "/{job_id}/workflow", operation_id="get_job_workflow", summary="Get a job's workflow", responses=problems(404)
)
def get_job_workflow(job_id: JobId, now: ServicesNow, caller: Reader) -> dict[str, Any]:
    """The workflow that runs, in API form: with overrides and files put in."""
    return dict(visible_job(now, job_id, caller).prompt)


@router.delete("/{job_id}", operation_id="cancel_job", summary="Cancel a job", responses=problems(404))
def cancel_job(job_id: JobId, now: ServicesNow, caller: Submitter) -> JobDocument:
    """Cancel that job and no other: at once while it waits, within a sampler step while it runs.

    A job that has ended stays as it is.
    """
    check_visible(now, job_id, caller)
    now.store.jobs.cancel(job_id)
    return job_document(visible_job(now, job_id, caller), now)
