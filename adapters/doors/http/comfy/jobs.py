"""``/api/jobs``: the jobs that wait, run and have ended, in one list, and stopping them."""

from __future__ import annotations

from typing import Annotated

from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Query, Request

from adapters.doors.http.auth import Caller, require
from adapters.doors.http.comfy.bodies import read_object
from adapters.doors.http.comfy.history import entries_of
from adapters.doors.http.comfy.job_documents import STATUSES, job_document, whole_document, workflow_id
from adapters.doors.http.comfy.replies import WireJSON
from adapters.doors.http.services import Services, ServicesNow
from adapters.service.store.records import Job, JobState

router = APIRouter()
_Reader = Annotated[Caller, Depends(require("read"))]
_Submitter = Annotated[Caller, Depends(require("submit"))]
_MOST_ENDED = 1000
_SORTS = ("created_at", "execution_duration")


@router.get("/jobs")
def list_jobs(
    now: ServicesNow,
    caller: _Reader,
    status: str = "",
    workflow: Annotated[str | None, Query(alias="workflow_id")] = None,
    sort_by: str = "created_at",
    sort_order: str = "desc",
    limit: str | None = None,
    offset: str = "0",
) -> WireJSON:
    """The caller's jobs, newest first: those that wait and run, and the newest 1000 that have ended."""
    wanted = [each.strip().lower() for each in status.split(",") if each.strip()]
    strange = [each for each in wanted if each not in STATUSES.values()]
    if strange:
        valid = ", ".join(STATUSES.values())
        return _refused(f"Invalid status value(s): {', '.join(strange)}. Valid values: {valid}")
    if sort_by.lower() not in _SORTS:
        return _refused(f"sort_by must be '{_SORTS[0]}' or '{_SORTS[1]}'")
    if sort_order.lower() not in ("asc", "desc"):
        return _refused("sort_order must be 'asc' or 'desc'")
    first, most = _whole(offset), None if limit is None else _whole(limit)
    if first is None or (limit is not None and most is None):
        return _refused(f"{'offset' if first is None else 'limit'} must be an integer")
    if most is not None and most <= 0:
        return _refused("limit must be a positive integer")
    first = max(0, first)
    jobs = [job for job in _visible(now, caller) if not wanted or STATUSES[job.state] in wanted]
    jobs = [job for job in jobs if workflow is None or workflow_id(job) == workflow]
    jobs.sort(key=_duration if sort_by.lower() == _SORTS[1] else _creation, reverse=sort_order.lower() == "desc")
    page = jobs[first:] if most is None else jobs[first : first + most]
    entries = entries_of(now, caller, [job for job in page if job.state.ended])
    return WireJSON(
        {
            "jobs": [job_document(job, entries.get(job.id)) for job in page],
            "pagination": {
                "offset": first,
                "limit": most,
                "total": len(jobs),
                "has_more": first + len(page) < len(jobs),
            },
        }
    )


@router.get("/jobs/{job_id}")
def get_job(job_id: str, now: ServicesNow, caller: _Reader) -> WireJSON:
    """One job; of one that has ended, what it made and its workflow. Status 404 where it is not known."""
    job = _find(now, caller, job_id)
    if job is None or job.hidden or (job.state.ended and job.started_at is None):
        return WireJSON({"error": "Job not found"}, status_code=404)
    if not job.state.ended:
        return WireJSON(job_document(job))
    return WireJSON(whole_document(job, entries_of(now, caller, [job])[job.id]))


@router.post("/jobs/cancel")
async def cancel_jobs(request: Request, now: ServicesNow, caller: _Submitter) -> WireJSON:
    """Cancel those of ``job_ids`` that wait or run; others are left as they are."""
    ids = (await read_object(request)).get("job_ids")
    if not isinstance(ids, list):
        return _refused("job_ids must be a list")
    strange = [each for each in ids if not isinstance(each, str) or "\0" in each]
    if strange:
        shown = [each if isinstance(each, str) else repr(each)[:100] for each in strange]
        return WireJSON({"error": "job_ids contains invalid id(s)", "invalid_ids": shown}, status_code=400)
    return WireJSON({"cancelled": any([await run_sync(_cancel, now, caller, job_id) for job_id in ids])})


@router.post("/jobs/{job_id}/cancel")
def cancel_job(job_id: str, now: ServicesNow, caller: _Submitter) -> WireJSON:
    """Cancel a job that waits or runs. One that has ended or is not known is no error."""
    return WireJSON({"cancelled": _cancel(now, caller, job_id)})


def _visible(now: Services, caller: Caller) -> list[Job]:
    running, waiting = now.store.jobs.queue()
    ended = now.store.jobs.ended(owner=caller.only_owner, newest=_MOST_ENDED)
    return [*(job for job in (*running, *waiting) if caller.sees(job.owner)), *ended]


def _find(now: Services, caller: Caller, job_id: str) -> Job | None:
    job = None if "\0" in job_id else now.store.jobs.get(job_id)
    return job if job is not None and caller.sees(job.owner) else None


def _cancel(now: Services, caller: Caller, job_id: str) -> bool:
    job = _find(now, caller, job_id)
    if job is None or job.state.ended:
        return False
    cancelled = now.store.jobs.cancel(job_id)
    return cancelled is not None and (cancelled.state is JobState.CANCELLED or cancelled.cancel_requested)


def _creation(job: Job) -> float:
    return job.created_at


def _duration(job: Job) -> float:
    return (job.finished_at or 0) - job.started_at if job.started_at and job.finished_at else 0.0


def _whole(text: str) -> int | None:
    try:
        return int(text[:20])
    except ValueError:
        return None


def _refused(message: str) -> WireJSON:
    return WireJSON({"error": message}, status_code=400)
