"""Jobs: submitted, looked up, listed, cancelled."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel

from adapters.server.auth import Caller, require
from adapters.server.errors import NotFound
from adapters.server.services import ServicesNow
from adapters.server.v1.job_documents import JobDocument, job_document
from adapters.store.records import Job, NewJob
from engine.document import read_document
from engine.errors import GraphInvalid
from engine.validate import inspect

router = APIRouter(prefix="/jobs", tags=["jobs"])
Submitter = Annotated[Caller, Depends(require("submit"))]
Reader = Annotated[Caller, Depends(require("read"))]


class Submission(BaseModel):
    """A job to be run."""

    workflow: dict[str, Any]
    priority: int = 0


@router.post("", operation_id="submit_job", status_code=202)
def submit_job(body: Submission, now: ServicesNow, caller: Submitter, response: Response) -> JobDocument:
    """Check the workflow and put it into the queue."""
    workflow = read_document(body.workflow, now.registry).workflow
    checked = inspect(workflow, now.registry, now.folders)
    if checked.problems:
        raise GraphInvalid(checked.problems)
    new = NewJob(
        prompt=workflow.as_prompt(),
        extra_pnginfo=workflow.extra_pnginfo,
        owner=caller.owner,
        priority=body.priority,
        max_attempts=now.settings.max_attempts,
        time_limit_s=now.settings.time_limit_s,
    )
    job, _ = now.store.jobs.submit(new, now.settings.queue_limit)
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    return job_document(job)


@router.get("/{job_id}", operation_id="get_job")
def get_job(job_id: str, now: ServicesNow, caller: Reader) -> JobDocument:
    """The job as it stands."""
    return job_document(_visible(now.store.jobs.get(job_id), caller))


@router.delete("/{job_id}", operation_id="cancel_job")
def cancel_job(job_id: str, now: ServicesNow, caller: Submitter) -> JobDocument:
    """Cancel that job and no other."""
    _visible(now.store.jobs.get(job_id), caller)
    return job_document(_visible(now.store.jobs.cancel(job_id), caller))


def _visible(job: Job | None, caller: Caller) -> Job:
    if job is None or not caller.sees(job.owner):
        raise NotFound("there is no such job", remedy="check its id; jobs are removed after their retention time")
    return job
