"""``/prompt``: submits a workflow, and says how many jobs remain."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Request

from adapters.doors.http.auth import Caller, require
from adapters.doors.http.bounds import bounds_of
from adapters.doors.http.comfy.bodies import read_object
from adapters.doors.http.comfy.history_entry import queue_number
from adapters.doors.http.comfy.prompt_errors import reply
from adapters.doors.http.comfy.replies import WireJSON
from adapters.doors.http.comfy.submission import read_submission
from adapters.doors.http.services import Services, ServicesNow
from adapters.doors.http.spaces import folders_of
from adapters.service.store.records import JobState
from engine.errors import DagfusionError

router = APIRouter()


@router.get("/prompt")
def get_remaining(now: ServicesNow, caller: Annotated[Caller, Depends(require("read"))]) -> WireJSON:
    """How many jobs wait or run, of those that the caller sees."""
    count, owner = now.store.jobs.count, caller.only_owner
    return WireJSON({"exec_info": {"queue_remaining": count(JobState.QUEUED, owner) + count(JobState.RUNNING, owner)}})


@router.post("/prompt")
async def submit(request: Request, now: ServicesNow, caller: Annotated[Caller, Depends(require("submit"))]) -> WireJSON:
    """The job's id and number. Outputs that cannot run are left out and told in ``node_errors``; where none can, the
    status is 400.
    """
    try:
        body = await read_object(request)
        return WireJSON(await run_sync(_submit, body, now, caller))
    except DagfusionError as error:
        status, refused = reply(error)
        retry_after_s = getattr(error, "retry_after_s", None)
        headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
        return WireJSON(refused, status, headers)


def _submit(body: dict[str, Any], now: Services, caller: Caller) -> dict[str, Any]:
    folders = folders_of(now, caller)
    submission = read_submission(body, now.registry, folders, now.blobs, now.settings, caller.owner, bounds_of(now))
    now.folder_faults.refuse()
    new = replace(submission.job, priority=min(submission.job.priority, caller.max_priority(now.settings)))
    job, _ = now.store.jobs.submit(new, now.settings.queue_limit, caller.max_queued(now.settings))
    return {"prompt_id": job.id, "number": queue_number(job), "node_errors": submission.node_errors}
