"""Who is asking, and for which job: what the routes of this API have in common."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path

from adapters.doors.http.auth import Caller, require
from adapters.doors.http.services import Services
from adapters.service.errors import NotFound
from adapters.service.store.records import Job

Submitter = Annotated[Caller, Depends(require("submit"))]
Reader = Annotated[Caller, Depends(require("read"))]
Admin = Annotated[Caller, Depends(require("admin"))]
JobId = Annotated[str, Path(description="The job's id.", max_length=64, pattern=r"^[^\x00-\x1f\x7f/]+$")]


def visible_job(now: Services, job_id: str, caller: Caller) -> Job:
    """The job. Raises ``NotFound`` where there is none, or none that the caller may see."""
    job = now.store.jobs.get(job_id)
    if job is None or not caller.sees(job.owner):
        raise _no_such_job()
    return job


def check_visible(now: Services, job_id: str, caller: Caller) -> None:
    """The same for those who do not need the job itself, whose workflow may be long."""
    owner = now.store.jobs.owner_of(job_id)
    if owner is None or not caller.sees(owner):
        raise _no_such_job()


def _no_such_job() -> NotFound:
    return NotFound("there is no such job", remedy="check its id; jobs are removed after their retention time")
